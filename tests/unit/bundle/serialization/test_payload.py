"""Captured values as bytes: in memory, in a draft file, or only counted."""

from __future__ import annotations

import errno
import gc
import hashlib
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from jupyter_trainjob.bundle.capture import capture_cell
from jupyter_trainjob.bundle.serialization.payload import INLINE_LIMIT, PART_SIZE, Payload
from jupyter_trainjob.errors import CaptureError, UsageError


def nowhere() -> Path | None:
    raise AssertionError("asked for a place that is not needed")


def test_small_payload_stays_in_memory_and_needs_no_folder() -> None:
    payload = Payload.from_bytes(b"x" * PART_SIZE, nowhere)
    (part,) = payload.parts()
    assert (part.file, part.size, part.sha256) == (
        "captures-000",
        PART_SIZE,
        hashlib.sha256(b"x" * PART_SIZE).hexdigest(),
    )
    assert dict(payload.pieces()) == {"captures-000": b"x" * PART_SIZE}


def test_large_payload_is_written_to_a_draft_file(tmp_path: Path) -> None:
    payload = Payload(lambda: tmp_path / "jobs")
    for piece in (b"a" * PART_SIZE, b"b", np.ones((3, 4)), b"c" * PART_SIZE):
        payload.write(piece)
    payload.finish()
    content = b"a" * PART_SIZE + b"b" + np.ones((3, 4)).tobytes() + b"c" * PART_SIZE
    (draft,) = (tmp_path / "jobs").iterdir()
    assert draft.stat().st_mode & 0o777 == 0o600
    (part,) = payload.parts()
    assert (part.file, part.size, part.sha256) == ("captures", len(content), hashlib.sha256(content).hexdigest())
    assert not payload.inline
    payload.move_to(tmp_path / "jobs" / "n" / "a" / "captures")
    assert (tmp_path / "jobs" / "n" / "a" / "captures").read_bytes() == content
    del payload
    gc.collect()
    assert [path.name for path in (tmp_path / "jobs").rglob("*") if path.is_file()] == ["captures"]


def test_payload_within_the_inline_limit_needs_no_folder() -> None:
    payload = Payload.from_bytes(b"x" * INLINE_LIMIT)
    assert payload.deliverable
    assert b"".join(data for _, data in payload.pieces()) == b"x" * INLINE_LIMIT
    assert len(payload.parts()) == -(-INLINE_LIMIT // PART_SIZE)


def test_payload_that_cannot_be_delivered_is_only_counted() -> None:
    payload = Payload()
    for _ in range(100):
        payload.write(bytes(2**20))
    assert payload.size == 100 * 2**20
    assert not payload.deliverable
    assert payload.open().read() == b""


def test_unsent_draft_is_removed(tmp_path: Path) -> None:
    payload = Payload.from_bytes(bytes(2 * PART_SIZE), lambda: tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    child = os.fork()
    if not child:
        payload.discard()  # Not its own.
        os._exit(0)
    os.waitpid(child, 0)
    assert len(list(tmp_path.iterdir())) == 1
    del payload
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_unpicklable_value_leaves_no_draft(tmp_path: Path) -> None:
    names = {"big": bytes(2 * PART_SIZE), "lines": (line for line in "ab")}
    with pytest.raises(CaptureError) as caught:
        capture_cell("big, lines", names, filename="Cell [1]", spill_dir=lambda: tmp_path)
    assert list(tmp_path.iterdir()) == [], caught


def test_interrupted_capture_leaves_no_draft(tmp_path: Path) -> None:
    class Interrupted:
        def __reduce__(self) -> str:
            raise KeyboardInterrupt

    names = {"big": bytes(2 * PART_SIZE), "late": Interrupted()}
    with pytest.raises(KeyboardInterrupt) as caught:
        capture_cell("big, late", names, filename="Cell [1]", spill_dir=lambda: tmp_path)
    assert list(tmp_path.iterdir()) == [], caught


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_raises_an_error_and_leaves_no_draft(tmp_path: Path) -> None:
    names = {"big": np.ones(2**20)}
    with no_file_beyond(2**20), pytest.raises(UsageError, match=r"are more than 8 MB.*File too large.*Nothing was"):
        capture_cell("big", names, filename="Cell [1]", spill_dir=lambda: tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_named_in_the_error(tmp_path: Path) -> None:
    error = Payload(lambda: tmp_path).disk_error(OSError(errno.ENOSPC, "No space left on device"))
    assert "the disk is full. Delete jobs that you no longer need" in str(error)


def test_draft_is_moved_to_another_file_system(tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system, such as a tmpfs at /dev/shm")
    payload = Payload.from_bytes(bytes(2 * PART_SIZE), lambda: tmp_path)
    folder = shared / f"trainjob-test-{os.getpid()}"
    try:
        payload.move_to(folder / "captures")
        assert (folder / "captures").read_bytes() == bytes(2 * PART_SIZE)
        assert (folder / "captures").stat().st_mode & 0o777 == 0o600
        assert [path.name for path in folder.iterdir()] == ["captures"]
    finally:
        (folder / "captures").unlink(missing_ok=True)
        folder.rmdir()
    assert list(tmp_path.iterdir()) == []
