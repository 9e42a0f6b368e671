"""What is said before a job is sent whose files would be lost with its pods."""

from __future__ import annotations

import pytest

from jupyter_trainjob.bundle.capture import capture_cell
from jupyter_trainjob.client import storage

CASES: dict[str, tuple[str, bool, str]] = {
    "a cell that asks for a folder, where there is none": ("checkpoint_dir() / 'a'", False, "checkpoint_dir(): jobs"),
    "one that asks for both": ("output_dir()\ncheckpoint_dir()", False, "checkpoint_dir() and output_dir(): jobs"),
    "one that asks where jobs have a folder": ("checkpoint_dir()", True, ""),
    "one that asks for none": ("my_checkpoint_dir = 1", False, ""),
}


@pytest.mark.parametrize(("source", "shared", "said"), CASES.values(), ids=CASES.keys())
def test_note(source: str, shared: bool, said: str) -> None:
    found = storage.note(capture_cell(source, {}, filename="Cell [1]"), shared=shared)
    assert found.startswith(said) if said else found == ""
