"""The page: hostile names stay text, terms and numbers are written as people read them."""

from __future__ import annotations

import base64
import json
import re

import pytest
from markupsafe import Markup

from cryolattice_analyzer.report.identify_answer import how_sure
from cryolattice_analyzer.report.page import Answer, Page, Section, TableOfReport
from cryolattice_analyzer.report.scales import Interval, interval_scale, probability_scale
from cryolattice_analyzer.report.wording import (
    certainty,
    coordinate,
    formula,
    listed,
    percent,
    plural,
    site,
    sites_text,
)

HOSTILE = "a <script>alert(1)</script> & \"quoted\" 'name'.mrc"


@pytest.fixture(scope="module")
def hostile_page() -> str:
    page = Page(title=HOSTILE, kicker=HOSTILE, verdict="ordered", headline=HOSTILE, lead=HOSTILE)
    page.answers = [Answer(HOSTILE, HOSTILE, [HOSTILE], probability_scale(0.5, 0.95))]
    page.notes = [HOSTILE]
    page.sections = [
        Section(HOSTILE, HOSTILE, [TableOfReport(HOSTILE, [HOSTILE], [[HOSTILE]], HOSTILE)])
    ]
    page.terms = [(HOSTILE, HOSTILE)]
    page.data = {"name": HOSTILE}
    return page.to_html()


def test_names_stay_text(hostile_page: str) -> None:
    assert "<script" not in hostile_page
    assert "alert(1)" in hostile_page
    # no quote of the name ends an attribute
    assert '"quoted"' not in hostile_page
    assert "'name'" not in hostile_page


def test_nothing_is_fetched(hostile_page: str) -> None:
    sources = re.findall(r"(?:src|href)=\"([^\"]*)\"", hostile_page)
    assert sources
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert "@import" not in hostile_page
    assert "url(" not in hostile_page


def test_the_page_says_what_it_is(hostile_page: str) -> None:
    assert '<html lang="en">' in hostile_page
    assert '<meta name="description" content="ordered: a ' in hostile_page
    assert hostile_page.count("<h1>") == 1


def test_the_result_travels_inside_the_page(hostile_page: str) -> None:
    found = re.search(r"data:application/json;base64,([A-Za-z0-9+/=]+)", hostile_page)
    assert found is not None
    assert json.loads(base64.b64decode(found.group(1))) == {"name": HOSTILE}


def test_coordinates_are_fractions() -> None:
    assert [coordinate(x) for x in (0, 0.5, 1.25, 1.75, 0.3333)] == ["0", "½", "1¼", "1¾", "0.333"]
    assert site([0.0, 0.5, 1.0]) == "(0 ½ 1)"
    assert sites_text([[0, 0, 0]] * 10, 2) == "(0 0 0) (0 0 0) and 8 more"


@pytest.mark.parametrize(
    ("probability", "text", "words"),
    [
        (1.0, "> 99.9 %", "practically certain"),
        (0.97, "97.0 %", "very likely"),
        (0.8, "80.0 %", "likely, not certain"),
        (0.2, "20.0 %", "one of several"),
        (0.012, "1.2 %", "unlikely"),
        (1e-30, "< 0.1 %", "unlikely"),
    ],
)
def test_probabilities_claim_neither_0_nor_1(probability: float, text: str, words: str) -> None:
    assert percent(probability) == text
    assert certainty(probability) == words


@pytest.mark.parametrize(
    ("verdict", "probability", "value"),
    [
        ("ordered", 0.9999, "Practically certain"),
        ("disordered", 0.97, "Very likely"),
        ("undetermined", 0.55, "Not sure: 55.0 %"),
        # no candidate fits: the best one's share of a bad lot is no certainty
        ("undetermined", 1.0, "Not sure"),
    ],
)
def test_an_open_verdict_is_never_called_certain(
    verdict: str, probability: float, value: str
) -> None:
    best = {"probability": probability, "chi2_per_dof": 20.0}
    found = how_sure({"verdict": verdict, "best": best, "candidates_searched": 36})
    assert found.value == value
    assert "among the 36 candidates searched" in found.details[0]
    assert "does not explain the image" in found.details[1]


def test_words() -> None:
    assert formula("NH2") == "NH₂"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert (plural(1, "site"), plural(4, "site")) == ("1 site", "4 sites")


def test_intervals_lie_where_their_values_are() -> None:
    rows = [Interval("4.70 Å", 10.0, 5.0, 20.0, 0), Interval("<b>", 100.0, 50.0, 200.0, 1)]
    svg = interval_scale(rows, "dose", "words")
    assert "&lt;b&gt;" in svg
    dot = re.search(r'class="series-0" cx="([\d.]+)"', svg)
    bar = re.search(r'class="bar-0" x1="([\d.]+)" x2="([\d.]+)"', svg)
    assert dot is not None
    assert bar is not None
    # on a logarithmic axis 10 is the middle of 5 and 20
    middle = (float(bar.group(1)) + float(bar.group(2))) / 2
    assert float(dot.group(1)) == pytest.approx(middle, abs=0.2)
    assert isinstance(svg, Markup)
