"""Modules that were changed after they were imported."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from jupyter_trainjob.bundle import changed
from jupyter_trainjob.bundle.modules import Module

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
    "what is no Python any more": ("def twice(x):", "def twice(x", True),
    "a comment at a line's end": ("return 3", "return 3  # why", False),
}


@pytest.mark.parametrize(("old", "new", "told"), CHANGES.values(), ids=CHANGES)
def test_what_changed_is_told(imported: tuple[ModuleType, Path], old: str, new: str, told: bool) -> None:
    _, path = imported
    path.write_text(TEXT.replace(old, new) if old else TEXT)
    said = changed.note([Module("ownthing", by_value=True, files=(("ownthing.py", path),))])
    assert ("ownthing changed on the disk" in said) is told, said


def test_after_a_reload_there_is_nothing_to_tell(imported: tuple[ModuleType, Path]) -> None:
    module, path = imported
    path.write_text(TEXT.replace("2 * x", "3 * x"))
    importlib.reload(module)
    assert not changed.note([Module("ownthing", by_value=True, files=(("ownthing.py", path),))])
