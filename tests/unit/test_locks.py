"""The lock files in requirements/ satisfy pyproject.toml, have hashes, and name no package index."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import tomli
from packaging.requirements import Requirement

from tests.paths import ROOT

pytestmark = pytest.mark.slow

PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
HOLDS = {
    # lock: extras of the package, dependency groups, versions of Python
    "demo": (["torch", "demo"], ["build"], PYTHONS),
    "dev": (["torch", "demo", "dev"], ["build"], PYTHONS),
    "docs": (["torch", "demo"], ["build", "docs"], PYTHONS),
    "isolated": (None, ["isolated"], PYTHONS),
    "oldest": (["torch", "demo", "dev"], ["build"], ["3.10"]),
}
REMEDY = "`scripts/lock` writes the locks again"


def _pyproject() -> dict[str, Any]:
    return tomli.loads((ROOT / "pyproject.toml").read_text())


def _wanted(extras: list[str] | None, groups: list[str]) -> Iterator[Requirement]:
    project, pyproject = _pyproject()["project"], _pyproject()
    texts = [] if extras is None else list(project["dependencies"])
    texts += [text for extra in extras or () for text in project["optional-dependencies"][extra]]
    texts += [text for group in groups for text in pyproject["dependency-groups"][group]]
    return map(Requirement, texts)


def _entries(lock: str) -> list[str]:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _pins(lock: str) -> list[Requirement]:
    return [Requirement(entry.split(" --hash", 1)[0]) for entry in _entries(lock)]


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("lock", HOLDS)
@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_lock_has_a_version_within_each_range(lock: str, system: str) -> None:
    extras, groups, pythons = HOLDS[lock]
    for python in pythons if lock != "oldest" or system == "linux" else []:
        where = {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": system}
        pins = {_normalized(pin.name): pin for pin in _pins(lock) if pin.marker is None or pin.marker.evaluate(where)}
        for wanted in _wanted(extras, groups):
            pin = pins.get(_normalized(wanted.name))
            assert pin is not None, f"{lock}.txt has no {wanted.name} for Python {python} on {system}: {REMEDY}"
            (version,) = (specifier.version for specifier in pin.specifier)
            assert wanted.specifier.contains(version, prereleases=True), f"{pin} is not {wanted}: {REMEDY}"


@pytest.mark.parametrize("lock", [*HOLDS, "uv"])
def test_lock_entries_are_pinned_with_hashes_and_name_no_index(lock: str) -> None:
    entries = _entries(lock)
    assert entries
    for entry in entries:
        assert re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?==[\w.+!]+( ; [^\\]+?)?( +--hash=sha256:[0-9a-f]{64})+ *", entry), (
            entry
        )
        assert "://" not in entry


def test_oldest_lock_has_the_oldest_version_of_each_range() -> None:
    pins = {_normalized(pin.name): pin for pin in _pins("oldest")}
    project = _pyproject()["project"]
    for text in [*project["dependencies"], *project["optional-dependencies"]["torch"]]:
        wanted = Requirement(text)
        (lowest,) = (bound.version for bound in wanted.specifier if bound.operator == ">=")
        (locked,) = (bound.version for bound in pins[_normalized(wanted.name)].specifier)
        assert f"{locked}.".startswith(f"{lowest}."), f"{wanted} is locked at {locked}: {REMEDY}"


def test_front_end_pins_its_build_dependencies() -> None:
    lock = (ROOT / "labextension" / "package-lock.json").read_text()
    assert '"integrity": "sha512-' in lock
    assert '"resolved"' not in lock
