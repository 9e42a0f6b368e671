"""The job's folder, as the cell sees it: ``checkpoint_dir()`` and ``output_dir()``.

All ranks of a job share it, and it outlives them: restarts, stop and resume, the loss of a node. Where a cluster gives
a job none, the cell gets a folder of its pod, so that it runs all the same; `client.submit` says so before. In the
notebook itself, both are folders beside it. `Watch` tells the notebook of new checkpoints.
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

from . import report
from .messages import CHECKPOINT, Checkpoint
from .protocol import CHECKPOINTS_FOLDER, FOLDER_ENV, OUTPUT_FOLDER, dumps

LOOK_SECONDS: Final = 2.0
_NUMBER: Final = re.compile(r"\d+")


def checkpoint_dir() -> Path:
    """Return the folder for checkpoints: that of the job, on all ranks and after each restart the same.

    It is made if it is not there. In the notebook it is ``checkpoints`` beside it.
    """
    return _made(CHECKPOINTS_FOLDER)


def output_dir() -> Path:
    """Return the folder for files that the job is to leave: ``job.files`` has them, while it runs and after.

    It is made if it is not there. In the notebook it is ``output`` beside it.
    """
    return _made(OUTPUT_FOLDER)


def _made(name: str) -> Path:
    shared = os.environ.get(FOLDER_ENV)
    if shared:
        root = Path(shared)
    elif report.attached():
        root = Path(tempfile.gettempdir()) / "trainjob"
    else:
        root = Path.cwd()
    path = root / name
    path.mkdir(parents=True, exist_ok=True)
    return path


class Entry(NamedTuple):
    """One checkpoint: a file or a folder right in the folder of checkpoints."""

    name: str
    step: int | None
    """The last number in its name."""
    time: float
    """When it was last changed, in unix seconds."""


def entries(folder: Path) -> Iterator[Entry]:
    """Yield the checkpoints in a folder; those that are still being written under another name are none."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as found:
        for each in found:
            if not each.name.startswith(".") and not each.name.endswith((".tmp", ".part")):
                with contextlib.suppress(FileNotFoundError):  # It went, or got its name, while we looked.
                    yield Entry(each.name, step_of(each.name), each.stat(follow_symlinks=False).st_mtime)


def step_of(name: str) -> int | None:
    """Return the step that the name of a checkpoint tells: ``epoch=3-step=400.ckpt`` is of step 400."""
    numbers = _NUMBER.findall(name)
    return int(numbers[-1]) if numbers else None


class Watch:
    """Looks now and then for new checkpoints, and tells of them."""

    def __init__(self, tell: Callable[[str, bytes], object], clock: Callable[[], float] = time.monotonic) -> None:
        shared = os.environ.get(FOLDER_ENV)
        self._folder = Path(shared) / CHECKPOINTS_FOLDER if shared else None
        self._tell = tell
        self._clock = clock
        self._due = clock()
        self._told: Checkpoint | None = None

    def look(self, *, now: bool = False) -> None:
        """Look, if it is time to."""
        if self._folder is None or (self._clock() < self._due and not now):
            return
        self._due = self._clock() + LOOK_SECONDS
        with contextlib.suppress(OSError):  # A folder that cannot be read now, or is gone.
            found = list(entries(self._folder))
            if not found:
                return
            newest = max(found, key=lambda entry: (entry.time, entry.step or 0))
            seen = Checkpoint(count=len(found), name=newest.name, step=newest.step, time=newest.time)
            if seen != self._told:
                self._told = seen
                self._tell(CHECKPOINT, dumps(seen))
