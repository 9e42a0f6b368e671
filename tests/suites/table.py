"""The suites by name: the commands and tests of each, its limit, and the folders whose changes concern it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CORES: Final = 2
"""Workers for tests that start few processes. All other tests run one after another, so that none waits for a core."""
PROCESSES: Final = tuple(
    f"tests/unit/{folder}"
    for folder in ("worker", "cluster/agent", "cluster/daemon", "cluster/parity", "suites", "widget")
)
"""Unit tests that start kernels, daemons, pods or programs of jobs."""


@dataclass(frozen=True)
class Command:
    """A step that is no test of pytest's."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class Selection:
    """A step of pytest: paths below the repository, what is left out of them, and a selection."""

    paths: tuple[str, ...]
    without: tuple[str, ...] = ()
    markers: str = "not whole_cluster"
    keyword: str = ""
    workers: int = 1
    reruns: bool = True
    """Whether what failed runs again. Tests without processes do not fail by chance."""
    python: str = ".venv"
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Suite:
    """A name of ``scripts/test``, and what it runs one after another."""

    name: str
    description: str
    minutes: int
    """The limit on two quiet cores, under which it is ended; TRAINJOB_TEST_PATIENCE multiplies it."""
    steps: tuple[Command | Selection, ...]
    concerns: tuple[str, ...] = ()
    """Prefixes of paths whose changes the suite can notice."""
    only_warns: bool = False
    """Whether a failure leaves the run green: a new release of a library is nobody's change to this project."""


PACKAGE: Final = "jupyter_trainjob/"
FAST_PATHS: Final = ("tests/unit", "tests/magics/test_jobs.py", "tests/notebooks/test_first_job.py")

SUITES: Final = (
    Suite(
        "lint",
        "ruff, mypy, import-linter, eslint, prettier, TypeScript",
        10,
        (Command(("scripts/lint",)),),
        concerns=("",),
    ),
    Suite(
        "unit",
        "unit tests of Python and TypeScript that start no process",
        10,
        (
            Selection(("tests/unit",), without=PROCESSES, workers=CORES, reruns=False),
            Command((".venv/bin/python", "labextension/build.py", "npm", "--silent", "test")),
        ),
        concerns=("",),
    ),
    Suite(
        "processes",
        "unit tests that start kernels, daemons, pods or programs of jobs",
        20,
        (Selection(PROCESSES, workers=CORES),),
        concerns=(PACKAGE, "tests/unit/", "runtimes/"),
    ),
    Suite(
        "core",
        "conformance of the embedded API server in process, and the first notebook",
        10,
        (
            Selection(("tests/conformance",), keyword="embedded-inprocess", workers=CORES),
            Selection(("tests/notebooks/test_first_job.py",)),
        ),
        concerns=(PACKAGE, "tests/conformance/", "notebooks/", "runtimes/"),
    ),
    Suite(
        "journeys",
        "what a user must always be able to do, one test each (marker `journey`)",
        15,
        (Selection(("tests",), markers="journey"),),
        concerns=(PACKAGE, "labextension/", "notebooks/", "runtimes/", "tests/"),
    ),
    Suite(
        "commands",
        "cells, line magics, command line and Jupyter server on embedded clusters",
        30,
        (Selection(("tests/magics", "tests/cli", "tests/server")),),
        concerns=(PACKAGE, "tests/magics/", "tests/cli/", "tests/server/", "runtimes/"),
    ),
    Suite(
        "corpus",
        "cells give the same value in a notebook and as a job; the tutorials",
        30,
        (Selection(("tests/notebooks",)),),
        concerns=(
            *(f"{PACKAGE}{folder}/" for folder in ("bundle", "client", "magics", "metrics", "worker")),
            "notebooks/",
            "tests/notebooks/",
        ),
    ),
    Suite(
        "conformance",
        "the embedded API server beside a real kube-apiserver, which the first run builds",
        30,
        (Selection(("tests/conformance",), workers=CORES),),
        concerns=(
            *(
                f"{PACKAGE}{folder}/"
                for folder in ("api", "kube", "cluster/apiserver", "cluster/store", "cluster/state")
            ),
            "tests/conformance/",
        ),
    ),
    Suite(
        "parity",
        "our controller beside Kubeflow Trainer's and JobSet's on real API servers; our controller as a process",
        30,
        (Selection(("tests/differential", "tests/controller_process")),),
        concerns=(
            *(f"{PACKAGE}{folder}/" for folder in ("api", "kube", "controller", "controller_process")),
            "runtimes/",
            "tests/differential/",
            "tests/controller_process/",
        ),
    ),
    Suite(
        "browser",
        "pages in Chromium in all sizes and themes, compared with pictures; JupyterLab, Notebook 7, JupyterHub",
        30,
        (Selection(("tests/ui",)),),
        concerns=(
            *(f"{PACKAGE}{folder}/" for folder in ("feed", "rendering", "server", "widget", "client", "metrics")),
            "labextension/",
            "tests/ui/",
        ),
    ),
    Suite(
        "faults",
        "kill -9 of every process, and full disks",
        15,
        (Selection(("tests/faults",)),),
        concerns=(f"{PACKAGE}cluster/", f"{PACKAGE}worker/", f"{PACKAGE}kube/", "tests/faults/"),
    ),
    Suite(
        "load",
        "many jobs leave no files, processes and threads",
        15,
        (Selection(("tests/load",)),),
        concerns=(f"{PACKAGE}cluster/", f"{PACKAGE}controller/", f"{PACKAGE}kube/", "tests/load/"),
    ),
    Suite(
        "cluster",
        "a whole Kubernetes cluster, named by TRAINJOB_TEST_KUBECONFIG; without one, the same on an embedded cluster",
        30,
        (Selection(("tests/cluster",), markers=""),),
        concerns=(
            *(f"{PACKAGE}{folder}/" for folder in ("bundle", "client", "controller", "kube", "worker")),
            "runtimes/",
            "tests/cluster/",
        ),
    ),
    Suite(
        "docs",
        "the documentation with its notebooks; a warning or a broken link fails",
        20,
        (Command(("scripts/docs",)),),
        concerns=("docs/", "notebooks/", "README.md", "CONTRIBUTING.md", PACKAGE),
    ),
    Suite(
        "oldest",
        "the fast tests with the oldest versions that pyproject.toml allows, on Python 3.10",
        30,
        (
            Command(("scripts/setup", "oldest")),
            # Old releases of libraries call each other in ways that have since been deprecated.
            Selection(FAST_PATHS, workers=CORES, python=".venv-oldest", options=("-W", "default::DeprecationWarning")),
        ),
        concerns=("pyproject.toml", "requirements/", PACKAGE),
    ),
    Suite(
        "newest",
        "the fast tests with the newest versions that pyproject.toml allows, resolved now",
        30,
        (Command(("scripts/setup", "newest")), Selection(FAST_PATHS, workers=CORES, python=".venv-newest")),
        concerns=("pyproject.toml",),
        only_warns=True,
    ),
)

BY_NAME: Final = {suite.name: suite for suite in SUITES}
DEFAULT: Final = ("lint", "unit", "processes", "core")
"""What ``scripts/test`` runs, and with ``journeys`` the gate."""
EVERYWHERE: Final = (
    "pyproject.toml",
    "requirements/",
    "scripts/",
    "tests/suites/",
    "tests/conftest.py",
    "tests/waiting.py",
)
"""Prefixes of paths whose changes concern all suites."""


def suites_of_changes(paths: list[str]) -> list[str]:
    """Return the names of the suites that changes of these files can affect, in the order of the table."""
    if any(path.startswith(EVERYWHERE) for path in paths):
        return [suite.name for suite in SUITES]
    return [suite.name for suite in SUITES if any(path.startswith(suite.concerns) for path in paths)]
