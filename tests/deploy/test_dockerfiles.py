"""The images' recipes and locks, without building them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from cryolattice.jobs.kinds import installed_services
from cryolattice.settings import Settings
from tests.deploy.manifests import ROOT

IMAGES = ROOT / "deploy" / "images"
NAMES = sorted(path.name.removesuffix(".Dockerfile") for path in IMAGES.glob("*.Dockerfile"))
_ENTRY = re.compile(r"^([a-z0-9._-]+==\S+)[^\n]*((?:\n    --hash=\S+(?: \\)?)+)", re.M)


def _recipe(name: str) -> str:
    return (IMAGES / f"{name}.Dockerfile").read_text()


def _pins(path: Path) -> dict[str, set[str]]:
    """Return the hashes by name and version of a lock."""
    found = {
        pin: set(re.findall(r"sha256:\w+", text)) for pin, text in _ENTRY.findall(path.read_text())
    }
    assert len(found) > 3
    return found


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_made_in_two_stages_from_a_chosen_base(name: str) -> None:
    recipe = _recipe(name)
    instructions = [line for line in recipe.splitlines() if line and line[0] not in "# "]
    assert instructions[0].startswith("ARG BASE=")
    froms = [line for line in instructions if line.startswith("FROM")]
    assert froms == ["FROM ${BUILDER} AS build", "FROM ${BASE}"]
    build, final = recipe.split("\nFROM ${BASE}\n")
    for line in build.splitlines():
        if " install " in line and "--python" in line:
            assert "--require-hashes" in line or "--no-index" in line
    assert not re.search(r"\bpip\b|apt|uv ", final.replace("--from=build", ""))
    assert "USER 10001:10001" in final
    assert "STOPSIGNAL SIGTERM" in final
    assert f'image.title="cryolattice-{name}"' in final


@pytest.mark.parametrize("name", NAMES)
def test_no_package_index_is_written_down(name: str) -> None:
    for text in (_recipe(name), (IMAGES / f"{name}.lock").read_text()):
        assert not re.search(r"https?://|index-url|find-links", text)


@pytest.mark.parametrize("name", sorted(installed_services()))
def test_a_service_listens_on_its_port(name: str) -> None:
    recipe = _recipe(name)
    assert f"EXPOSE {installed_services()[name].port} {Settings().metrics_port}" in recipe
    assert 'ENTRYPOINT ["cryolattice"]' in recipe
    assert f'CMD ["serve", "{name}", "--host", "0.0.0.0"]' in recipe


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_agrees_with_that_of_the_workspace(name: str) -> None:
    ours = _pins(ROOT / "requirements.lock")
    versions = {pin.split("==")[0]: pin for pin in ours}
    locked = _pins(IMAGES / f"{name}.lock")
    for pin, hashes in locked.items():
        # what only the image needs, such as Ray's dashboard, is not in the other
        if pin.split("==")[0] in versions:
            assert ours[pin] == hashes, f"{pin}: run make lock"


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_has_what_the_packages_ask_for(name: str) -> None:
    services = ("common", "simulator", "analyzer") if name == "ray" else ("common", name)
    # Ray's head runs drivers, which use the ledger
    wanted = {"psycopg", "ray"} if name == "ray" else {"psycopg"}
    for service in services:
        text = (ROOT / "services" / service / "pyproject.toml").read_text()
        for requirement in tomllib.loads(text)["project"]["dependencies"]:
            wanted.add(re.split(r"[\[<>=;~ ]", requirement)[0].lower())
    locked = {pin.split("==")[0] for pin in _pins(IMAGES / f"{name}.lock")}
    assert {each for each in wanted if not each.startswith("cryolattice")} <= locked


def test_images_are_the_same_but_for_what_they_hold() -> None:
    """What one recipe learns, all have: they differ in names, packages and the command."""

    def common(name: str) -> list[str]:
        lines = _recipe(name).splitlines()[1:]
        return [
            re.sub(rf"\b{name}\b", "NAME", line)
            for line in lines
            if not re.match(
                r"COPY services|RUN python3 -m pip --python tools wheel|EXPOSE|CMD|ENTRY", line
            )
            and "description" not in line
        ]

    assert common("modeler") == common("simulator") == common("analyzer")
    assert set(common("modeler")) <= set(common("ray"))
