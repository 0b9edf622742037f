"""Reports in a browser, as a reader opens them: without script, on large and small screens."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.analyzer import instrument_files
from tests.system.conftest import DATA, Run
from tests.system.test_dose import SERIES
from tests.system.test_identify import MICROSCOPE, PARENT

pytestmark = pytest.mark.xdist_group("home")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--no-first-run", "--disable-quic"),
)
DESK, PHONE, NARROW = (1280, 800), (390, 844), (360, 740)
HOSTILE = "noise <b>&\"'.mrc"


@pytest.fixture(scope="module")
def reports(cryolattice: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports of a crystal, of noise and of a fading series, by name."""
    folder = tmp_path_factory.mktemp("reports")
    noise = folder / HOSTILE
    counts = np.random.default_rng(3).poisson(5.5, (512, 512)).astype(np.float32)
    noise.write_bytes(instrument_files.mrc(counts, 0.5))
    questions: dict[str, tuple[object, ...]] = {
        "ordered": ("identify", DATA / "micrograph_a.mrc", *PARENT, *MICROSCOPE),
        "noise": ("identify", noise, *PARENT, *MICROSCOPE),
        "dose": ("dose", *SERIES),
    }
    found = {}
    for name, question in questions.items():
        outcome = cryolattice(*question, "--out", folder / name, "--json")
        assert outcome.code == 0, outcome.err
        found[name] = folder / name / "report.html"
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium is installed: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


def _open(browser: Browser, report: Path, size: tuple[int, int]) -> Page:
    """Open a report without script; every request but the file itself, and every error, fails."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, java_script_enabled=False
    )
    page = context.new_page()
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda request: trouble.append(request.url[:100]))
    page.goto(report.as_uri())
    assert [t for t in trouble if not t.startswith("data:")] == [report.as_uri()]
    return page


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("name", ["ordered", "noise", "dose"])
def test_the_first_screen_answers(
    browser: Browser, reports: dict[str, Path], name: str, size: tuple[int, int]
) -> None:
    page = _open(browser, reports[name], size)
    parts = [page.locator("h1"), page.locator(".picture svg").first, *page.locator(".value").all()]
    assert len(parts) == 6
    for part in parts:
        box = part.bounding_box()
        assert box is not None
        assert box["width"] > 0
        assert box["y"] + box["height"] <= size[1]


def test_the_answer_is_in_words(browser: Browser, reports: dict[str, Path]) -> None:
    page = _open(browser, reports["ordered"], DESK)
    assert page.locator("h1").inner_text() == (
        "Ordered. Four Na are missing from every 9.40 × 9.40 × 4.70 Å cell"
    )
    first = page.locator("#answer").inner_text()
    for words in ("4 of the 12 Na", "169.2 Å", "95 % within 167 to 172 Å", "Practically certain"):
        assert words in first
    # the published ordering has a homometric twin
    assert "homometric" in first
    assert page.locator("svg.cell .vacancy").count() > 0


def test_noise_says_why_and_what_would_help(browser: Browser, reports: dict[str, Path]) -> None:
    page = _open(browser, reports["noise"], DESK)
    assert page.locator("h1").inner_text().startswith("Undetermined. No lattice")
    first = page.locator("#answer").inner_text()
    assert "What would help?" in first
    assert "lattice" in first
    # the name of the file is text, also in the command that repeats the question
    assert HOSTILE in page.locator(".kicker").inner_text()
    assert "identify 'noise <b>&\"'\"'\"'.mrc'" in page.locator("pre.command").first.inner_text()


@pytest.mark.parametrize("name", ["ordered", "noise", "dose"])
def test_a_narrow_screen_needs_no_sideways_scrolling(
    browser: Browser, reports: dict[str, Path], name: str
) -> None:
    page = _open(browser, reports[name], NARROW)
    # pictures of the whole page are as wide as what it holds
    picture = page.screenshot(full_page=True)
    width = int.from_bytes(picture[16:20], "big")
    assert width == NARROW[0]


def test_pictures_and_tables_are_described(browser: Browser, reports: dict[str, Path]) -> None:
    page = _open(browser, reports["ordered"], DESK)
    images = page.locator("img").all()
    assert len(images) >= 6
    assert all(len(image.get_attribute("alt") or "") > 20 for image in images)
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("svg:not([aria-label]):not([aria-hidden])").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(
    browser: Browser, reports: dict[str, Path], scheme: Literal["light", "dark"]
) -> None:
    page = browser.new_page(color_scheme=scheme)
    page.goto(reports["ordered"].as_uri())
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for part in (".lead", ".detail", ".kicker", "figcaption", "th", "nav a", ".verdict"):
        colour = page.evaluate("part => getComputedStyle(document.querySelector(part)).color", part)
        # WCAG AA
        assert _contrast(colour, ground) >= 4.5, (part, colour, ground)


def _contrast(one: str, other: str) -> float:
    """Contrast of two colours of CSS as WCAG 2 defines it."""
    luminances = []
    for colour in (one, other):
        shares = np.array([int(v) for v in re.findall(r"\d+", colour)[:3]]) / 255
        linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
        luminances.append(float(linear @ [0.2126, 0.7152, 0.0722]))
    dark, light = sorted(luminances)
    return (light + 0.05) / (dark + 0.05)
