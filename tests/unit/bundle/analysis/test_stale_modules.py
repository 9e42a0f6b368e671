"""Modules that were changed after they were imported."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from jupyter_trainjob.bundle.analysis import stale_modules
from jupyter_trainjob.bundle.analysis.local_modules import JobModule

TEXT = """\
import functools
import json

@functools.cache
def twice(x):
    return 2 * x

class Net:
    def forward(self, x):
        return [each + 1 for each in x]

    @staticmethod
    def size():
        return 3
"""


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ModuleType, Path]]:
    path = tmp_path / "ownthing.py"
    path.write_text(TEXT)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield importlib.import_module("ownthing"), path
    del sys.modules["ownthing"]


CHANGES = {
    "nothing": ("", "", False),
    "a function": ("2 * x", "3 * x", True),
    "a method": ("each + 1", "each + 2", True),
    "a static method": ("return 3", "return 4", True),
    "invalid Python": ("def twice(x):", "def twice(x", True),
    "a comment at a line's end": ("return 3", "return 3  # why", False),
}


@pytest.mark.parametrize(("old", "new", "noted"), CHANGES.values(), ids=CHANGES)
def test_changed_module_has_a_note(imported: tuple[ModuleType, Path], old: str, new: str, noted: bool) -> None:
    _, path = imported
    path.write_text(TEXT.replace(old, new) if old else TEXT)
    note = stale_modules.stale_modules_note([JobModule("ownthing", by_value=True, files=(("ownthing.py", path),))])
    assert ("ownthing changed on the disk" in note) is noted, note


def test_reloaded_module_is_not_stale(imported: tuple[ModuleType, Path]) -> None:
    module, path = imported
    path.write_text(TEXT.replace("2 * x", "3 * x"))
    importlib.reload(module)
    assert not stale_modules.stale_modules_note([JobModule("ownthing", by_value=True, files=(("ownthing.py", path),))])
