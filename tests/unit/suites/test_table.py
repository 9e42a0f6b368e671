from __future__ import annotations

from collections import Counter

import pytest

from tests.paths import ROOT
from tests.suites.table import BY_NAME, DEFAULT, SUITES, Selection, suites_of_changes

OVERLAPPING = {"journeys", "oldest", "newest"}
"""Suites of tests that are in another suite as well."""


def test_each_file_of_tests_is_in_one_suite() -> None:
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")]
    times = Counter(dict.fromkeys(files, 0))
    for suite in SUITES:
        for step in suite.steps:
            if suite.name not in OVERLAPPING and isinstance(step, Selection) and not step.keyword:
                times.update(file for file in files if _is_in(file, step))
    first = "tests/notebooks/test_first_job.py"
    assert {file for file, count in times.items() if count != 1} == {first}, "the first notebook is in core as well"
    assert times[first] == 2


def _is_in(file: str, step: Selection) -> bool:
    return f"{file}/".startswith(tuple(f"{path}/" for path in step.paths)) and not f"{file}/".startswith(
        tuple(f"{path}/" for path in step.without)
    )


def test_paths_of_all_suites_exist() -> None:
    for suite in SUITES:
        for step in suite.steps:
            if isinstance(step, Selection):
                assert [path for path in (*step.paths, *step.without) if not (ROOT / path).exists()] == []
        assert [path for path in suite.concerns if path and not (ROOT / path).exists()] == []


def test_default_suites_exist() -> None:
    assert set(DEFAULT) <= set(BY_NAME)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("pyproject.toml", set(BY_NAME), id="the configuration concerns all"),
        pytest.param("docs/start.md", {"lint", "unit", "docs"}, id="a page of the documentation"),
        pytest.param("labextension/src/ui/Card.tsx", {"lint", "unit", "journeys", "browser"}, id="the view"),
        pytest.param("tests/load/test_growth.py", {"lint", "unit", "journeys", "load"}, id="a test"),
    ],
)
def test_changes_choose_their_suites(path: str, expected: set[str]) -> None:
    assert set(suites_of_changes([path])) == expected
