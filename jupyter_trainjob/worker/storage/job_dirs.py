"""The job's folder inside the job: ``checkpoint_dir()`` and ``output_dir()``.

All ranks of a job share it, and it survives restarts, stop and resume, and the loss of a node. If the cluster provides
none, the cell gets a folder in its pod; `client.submit` warns of that. In the notebook itself, both are folders beside
it. `CheckpointWatcher` reports new checkpoints.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from .. import report
from ..output.messages import CHECKPOINT, Checkpoint
from ..protocol import CHECKPOINTS_FOLDER, FOLDER_ENV, OUTPUT_FOLDER, dumps

LOOK_SECONDS: Final = 2.0
_NUMBER: Final = re.compile(r"\d+")


def checkpoint_dir() -> Path:
    """Return the folder for checkpoints, the same on all ranks and after each restart; it is created if needed.

    The step of a checkpoint is the last number in its name. Names that begin with a dot or end in ``.tmp`` or
    ``.part`` are not counted: write under such a name, then rename. In the notebook it is ``./checkpoints``.
    """
    return _make_dir(CHECKPOINTS_FOLDER)


def output_dir() -> Path:
    """Return the folder for files of the job, the same on all ranks; it is created if needed.

    ``job.files`` reads them while the job runs and afterwards. In the notebook it is ``./output``.
    """
    return _make_dir(OUTPUT_FOLDER)


def _make_dir(name: str) -> Path:
    shared = os.environ.get(FOLDER_ENV)
    if shared:
        root = Path(shared)
    elif report.is_attached():
        root = Path(tempfile.gettempdir()) / "trainjob"
    else:
        root = Path.cwd()
    path = root / name
    path.mkdir(parents=True, exist_ok=True)
    return path


class CheckpointEntry(NamedTuple):
    """One checkpoint: a file or a folder directly in the folder of checkpoints."""

    name: str
    step: int | None
    """The last number in its name."""
    time: float
    """When it was last changed, in unix seconds."""


def list_checkpoints(folder: Path) -> Iterator[CheckpointEntry]:
    """Yield the checkpoints in a folder, without hidden and unfinished ones."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as scan:
        for entry in scan:
            if not entry.name.startswith(".") and not entry.name.endswith((".tmp", ".part")):
                with contextlib.suppress(FileNotFoundError):  # It was deleted or renamed meanwhile.
                    yield CheckpointEntry(entry.name, step_of(entry.name), entry.stat(follow_symlinks=False).st_mtime)


def step_of(name: str) -> int | None:
    """Return the step of a checkpoint, the last number in its name; None where it has none.

    >>> step_of("epoch=3-step=400.ckpt")
    400
    """
    numbers = _NUMBER.findall(name)
    return int(numbers[-1]) if numbers else None


class CheckpointWatcher:
    """Polls for new checkpoints, and reports them."""

    def __init__(self, send: Callable[[str, bytes], object], clock: Callable[[], float] = time.monotonic) -> None:
        shared = os.environ.get(FOLDER_ENV)
        self._folder = Path(shared) / CHECKPOINTS_FOLDER if shared else None
        self._send = send
        self._clock = clock
        self._due = clock()
        self._sent: Checkpoint | None = None

    def poll(self, *, now: bool = False) -> None:
        """Look for new checkpoints, if it is time to or `now`."""
        if self._folder is None or (self._clock() < self._due and not now):
            return
        self._due = self._clock() + LOOK_SECONDS
        with contextlib.suppress(OSError):  # The folder cannot be read now, or does not exist.
            checkpoints = list(list_checkpoints(self._folder))
            if not checkpoints:
                return
            newest = max(checkpoints, key=lambda entry: (entry.time, entry.step or 0))
            message = Checkpoint(count=len(checkpoints), name=newest.name, step=newest.step, time=newest.time)
            if message != self._sent:
                self._sent = message
                self._send(CHECKPOINT, dumps(message))
