"""Paths lead to their operations."""

from __future__ import annotations

import pytest

from tuinova.api.paths import PathTable


@pytest.fixture
def table() -> PathTable[str]:
    made: PathTable[str] = PathTable()
    for path in (
        "/",
        "/servers",
        "/servers/detail",
        "/servers/{id}",
        "/servers/{id}/tags/{tag}",
        "/servers/detail/new",
    ):
        made.add(path, path)
    return made


@pytest.mark.parametrize(
    ("path", "leads_to", "named"),
    [
        ("/", "/", {}),
        ("/servers", "/servers", {}),
        ("/servers/detail", "/servers/detail", {}),
        ("/servers/x", "/servers/{id}", {"id": "x"}),
        ("/servers/x/tags/y", "/servers/{id}/tags/{tag}", {"id": "x", "tag": "y"}),
        ("/servers/detail/tags/y", "/servers/{id}/tags/{tag}", {"id": "detail", "tag": "y"}),
        ("/servers/detail/new", "/servers/detail/new", {}),
    ],
)
def test_a_path_is_found_with_its_named_parts(
    table: PathTable[str], path: str, leads_to: str, named: dict[str, str]
) -> None:
    assert table.find(path) == (leads_to, named)


@pytest.mark.parametrize(
    "path", ["", "//", "/servers/", "/servers/x/tags", "/servers/x/tags/", "/servers//tags/y", "/no"]
)
def test_another_path_leads_nowhere(table: PathTable[str], path: str) -> None:
    assert table.find(path) is None


def test_a_path_is_given_once(table: PathTable[str]) -> None:
    with pytest.raises(ValueError, match=r"/servers/\{other\}"):
        table.add("/servers/{other}", "again")
