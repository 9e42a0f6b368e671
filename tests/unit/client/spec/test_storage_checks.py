"""The note about files that would be lost with the pods of a job."""

from __future__ import annotations

import pytest

from jupyter_trainjob.bundle.capture import capture_cell
from jupyter_trainjob.client.spec import storage_checks

CASES: dict[str, tuple[str, bool, str]] = {
    "a cell that asks for a folder, where there is none": ("checkpoint_dir() / 'a'", False, "checkpoint_dir(): jobs"),
    "one that asks for both": ("output_dir()\ncheckpoint_dir()", False, "checkpoint_dir() and output_dir(): jobs"),
    "one that asks where jobs have a folder": ("checkpoint_dir()", True, ""),
    "one that asks for none": ("my_checkpoint_dir = 1", False, ""),
}


@pytest.mark.parametrize(("source", "shared", "expected"), CASES.values(), ids=CASES.keys())
def test_lost_files_note(source: str, shared: bool, expected: str) -> None:
    note = storage_checks.lost_files_note(capture_cell(source, {}, filename="Cell [1]"), shared=shared)
    assert note.startswith(expected) if expected else note == ""
