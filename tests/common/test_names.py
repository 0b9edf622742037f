from __future__ import annotations

import pytest

from cryolattice.errors import InvalidInputError
from cryolattice.names import parse_project, parse_resource, project_name, resource_name


def test_names_are_parsed_back() -> None:
    assert parse_project(project_name("lab-7")) == "lab-7"
    name = resource_name("lab-7", "datasets", "abc1")
    assert name == "projects/lab-7/datasets/abc1"
    assert parse_resource(name, "datasets") == ("lab-7", "abc1")


@pytest.mark.parametrize(
    "name", ["", "lab", "projects/", "projects/Lab", "projects/a/b", "projects/-a", "projects/a\n"]
)
def test_wrong_projects_name_the_field(name: str) -> None:
    with pytest.raises(InvalidInputError, match="projects/PROJECT") as caught:
        parse_project(name, field="parent")
    assert caught.value.field == "parent"


@pytest.mark.parametrize(
    "name",
    [
        "projects/p/datasets/x",
        "projects/p/jobs/",
        "projects/p/jobs/../x",
        "projects/p/jobs/a/b",
        f"projects/p/jobs/{'a' * 64}",
        "jobs/a",
    ],
)
def test_wrong_resources_are_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="projects/PROJECT/jobs/ID"):
        parse_resource(name, "jobs")


def test_the_longest_id_is_accepted() -> None:
    assert parse_resource(f"projects/p/jobs/{'a' * 63}", "jobs")[1] == "a" * 63
