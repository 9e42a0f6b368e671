"""Cells of the corpus give the same value in the notebook and in a job, in real kernels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.embedded import embedded_cluster
from tests.notebooks.corpus import (
    cells,
    classes,
    data,
    enums,
    frames,
    functions,
    hooks,
    local_modules,
    modules,
    objects,
    settings,
    training,
)
from tests.notebooks.corpus.case import Case
from tests.notebooks.corpus.environments import environment
from tests.notebooks.corpus.kernel import CellError, Kernel, started

TOPICS: dict[str, dict[str, Case]] = {
    "functions": functions.CASES,
    "classes": classes.CASES,
    "data": data.CASES,
    "cells": cells.CASES,
    "local_modules": {**local_modules.CASES, **modules.CASES},
    "enums": enums.CASES,
    "hooks": hooks.CASES,
    "objects": objects.CASES,
    "training": training.CASES,
    "frames": frames.CASES,
    "settings": settings.CASES,
}
TELLING: dict[str, tuple[str, ...]] = {
    "functions": ("a closure", "a decorator with arguments", "two functions that share a cell"),
    "classes": ("a dataclass", "an exception of the notebook"),
    "data": ("what a function and the cell share", "an estimator"),
    "cells": ("top-level await", "a command's lines", "output that is kept"),
    "local_modules": ("a package with data", "a pool that spawns"),
}
"""The cells of the journey."""
LEAST = 300
NEWER = ["dataclass weakref slot", "flag boundary", "exception with notes"]
"""Need what Python 3.10 does not have."""
SUBSET = {
    topic: {name: cases[name] for name in list(cases)[::step] if name not in NEWER}
    for topic, cases, step in (
        ("functions", functions.CASES, 4),
        ("classes", classes.CASES, 4),
        ("data", data.PLAIN, 4),
        ("cells", cells.CASES, 10),
        ("enums", enums.CASES, 4),
        ("hooks", hooks.CASES, 4),
        ("objects", objects.CASES, 4),
    )
}
"""For other versions of Python, with nothing installed but what the project needs."""
OTHERS = ["3.10", "3.13"]
NEEDED = ["ipykernel", "tqdm"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StateDir]:
    with embedded_cluster(tmp_path_factory.mktemp("corpus") / "state") as state:
        yield state


def test_corpus_has_a_minimum_size() -> None:
    assert sum(map(len, TOPICS.values())) >= LEAST
    assert sum(map(len, SUBSET.values())) >= 30


@pytest.mark.journey
@pytest.mark.timeout(300)
def test_notebook_and_job_give_equal_values_of_telling_cells(cluster: StateDir, tmp_path: Path) -> None:
    cases = {name: TOPICS[topic][name] for topic, names in TELLING.items() for name in names}
    with started(tmp_path) as kernel:
        problems = [problem for name, case in cases.items() if (problem := _problem(kernel, name, case))]
    assert not problems, "\n".join(problems)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("topic", TOPICS)
def test_notebook_and_job_give_equal_values(cluster: StateDir, tmp_path: Path, topic: str) -> None:
    with started(tmp_path) as kernel:
        problems = [problem for name, case in TOPICS[topic].items() if (problem := _problem(kernel, name, case))]
    assert not problems, "\n".join(problems)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("version", OTHERS)
def test_notebook_and_job_give_equal_values_in_other_python_versions(
    cluster: StateDir, tmp_path: Path, version: str
) -> None:
    python = environment(tmp_path / "environment", version, packages=NEEDED)
    (tmp_path / "place").mkdir()
    with started(tmp_path / "place", python=python) as kernel:
        problems = [
            problem
            for topic in SUBSET.values()
            for name, case in topic.items()
            if (problem := _problem(kernel, name, case))
        ]
    assert not problems, "\n".join(problems)


def _problem(kernel: Kernel, name: str, case: Case) -> str:
    try:
        difference = kernel.difference(case)
    except CellError as error:
        difference = str(error)
    return f"{name}: {difference}" if difference else ""
