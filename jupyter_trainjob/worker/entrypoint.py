"""The life of a rank: ``python job.pyz`` or ``torchrun job.pyz`` begins here, and the exit code comes from here.

A rank says ``start``, runs the job's program, and says ``result`` (rank 0) or ``error``, then ``end``. Whatever the
cell raises ends the process with its traceback on standard error and a code that is not 0; the one-line cause also
goes to the termination message, where Kubernetes shows it.
"""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from . import folder, hidden, known, pools, program, raising, report, results, stall, streams, sync, tracebacks, usage
from .captures import SetupError
from .manifest import Manifest
from .messages import END, ERROR, RAISED, RESULT, START, End, Error, Start
from .protocol import (
    CLAIM,
    EXIT_SETUP,
    EXIT_TERMINATED,
    FOLDER_ENV,
    MANIFEST,
    RESULTS_FOLDER,
    STORAGE_ENV,
    TERMINATION_LOG,
    TERMINATION_LOG_ENV,
    dumps,
)
from .speaker import Said, Speaker, unwatch_signals, watch_signals

ARCHIVE = Path(__file__).parent.parent
STAND_IN = "stand-in"
"""Folder of the archive with a package ``jupyter_trainjob`` for images that have none."""
EXIT_INTERRUPTED = 130


def main() -> int:
    """Run the job on this rank; return the exit code."""
    manifest = Manifest.from_json(_read(MANIFEST))
    rank = _number("RANK", "PET_NODE_RANK", "JOB_COMPLETION_INDEX", default=0)
    hidden.begin(manifest)
    streams.install()
    _prepare_imports()
    pools.install()
    watch: folder.Watch | None = None
    stored: list[sync.Sync] = []

    def pulse() -> None:
        streams.say_what_is_due()
        if watch is not None:
            watch.look()

    def leave() -> NoReturn:
        for each in stored:
            each.finish(writing=True)
        os._exit(EXIT_TERMINATED)

    # A copy of standard output: the cell may redirect its own, and what it starts does not inherit this one.
    speaker = Speaker(rank=rank, first=(START, dumps(_start())), fd=os.dup(1), on_pulse=pulse, on_terminate=leave)
    watch = folder.Watch(speaker.tell) if rank == 0 else None
    speaker.start()
    watch_signals(speaker)
    report.attach(speaker.rows)
    # One rank of each node speaks for all of them.
    first = _number("LOCAL_RANK", default=0) == 0
    over = usage.start(speaker.tell, visible=os.environ.get(usage.VISIBLE)) if first else None
    cells = {name: source.label for name, source in manifest.sources.items()}
    cells[manifest.filename] = manifest.filename
    standing = stall.start(
        speaker.tell,
        progress=lambda: (speaker.reports(1), streams.writes()),
        reports=lambda: speaker.reports(stall.STEPS),
        cells=cells,
    )
    code, last = _live(manifest, rank, cells, lambda: stored.extend(filter(None, [sync.begin(first=first, rank=rank)])))
    for each in stored:
        if (lost := each.finish(writing=False)) and code == 0:
            code, told = _lost(lost, rank)
            last.append(told)
    report.detach()
    for running in (over, standing):
        if running is not None:
            running.set()
    if watch is not None:
        watch.look(now=True)
    streams.finish()
    speaker.finish([*last, (END, dumps(End(time=time.time(), ok=code == 0)))])
    unwatch_signals()
    return code


def _live(manifest: Manifest, rank: int, cells: dict[str, str], begin: Callable[[], object]) -> tuple[int, list[Said]]:
    try:
        begin()
        value = _run(manifest, rank)
        return 0, [(RESULT, _result(manifest, value, rank))]
    except BaseException as error:  # noqa: BLE001 - all that can end a program
        code = _exit_code(error)
        seen = tracebacks.describe(error, cells)
        if isinstance(error, (SetupError, results.ResultError)):
            seen["traceback"] = ""
        _complain(error, seen, rank)
        said = [(ERROR, dumps(seen))]
        if isinstance(error, Exception) and not isinstance(error, (SetupError, results.ResultError)):
            # Somebody's exception may be made in any way; then its text, which is said already, has to do.
            with contextlib.suppress(Exception):
                said.append((RAISED, raising.dump(error, key=bytes.fromhex(manifest.key), rank=rank)))
        return code, said


def _lost(why: str, rank: int) -> tuple[int, Said]:
    """Return how a rank ends whose cell has ended well, but not all of what it wrote could be stored."""
    error = SetupError(f"Not all that the job wrote could be stored at {os.environ.get(STORAGE_ENV)}: {why}")
    seen = tracebacks.describe(error, {})
    seen["traceback"] = ""
    _complain(error, seen, rank)
    return EXIT_SETUP, (ERROR, dumps(seen))


def _result(manifest: Manifest, value: Any, rank: int) -> bytes:
    """Pack what this rank sends back. Only that of rank 0 is what the job is for: its names, and its failure."""
    key, shared = bytes.fromhex(manifest.key), os.environ.get(FOLDER_ENV)
    # What lies in a claim, the notebook cannot read.
    claimed = os.environ.get(STORAGE_ENV, "").startswith(CLAIM)
    place = Path(shared) / RESULTS_FOLDER if shared and not claimed else None
    limit = results.room(rank, _world(), folder=place is not None)
    try:
        out = program.out(manifest.out) if rank == 0 else {}
        signed = results.dump(value, out, key=key, rank=rank, limit=limit, place=place)
        _push(results.file_name(rank))
        return signed
    except results.ResultError as error:
        if rank == 0:
            raise
        return results.refuse(str(error), key=key, rank=rank)


def _push(name: str) -> None:
    """Store the file of a rank's result. Raises `results.ResultError`, whatever the library of the store raises."""
    try:
        sync.push_result(name)
    except Exception as error:
        raise results.ResultError(
            f"The result cannot be stored at {os.environ.get(STORAGE_ENV)}: {type(error).__name__}: {error}"
        ) from error


def _run(manifest: Manifest, rank: int) -> Any:
    try:
        return program.run(manifest, ARCHIVE.parent, rank=rank)
    except SystemExit as left:
        if left.code in (None, 0):
            return None
        raise


def _exit_code(error: BaseException) -> int:
    if isinstance(error, SetupError):
        return EXIT_SETUP
    if isinstance(error, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code & 0xFF or 1
    return 1


def _complain(error: BaseException, seen: Error, rank: int) -> None:
    """Say on standard error, and in the termination message, why this rank fails."""
    text = seen["traceback"] or f"{seen['type']}: {seen['message']}\n"
    if isinstance(error, SystemExit):
        text = f"{error.code}\n" if not isinstance(error.code, int) else ""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text)
    cause = f"rank {rank}: {tracebacks.headline(seen)}"
    path = os.environ.get(TERMINATION_LOG_ENV) or TERMINATION_LOG
    # Of several ranks in one pod the first one tells the cause; the others fail because of it.
    with contextlib.suppress(OSError):
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        with os.fdopen(file, "ab") as log:
            if os.fstat(file).st_size == 0:
                log.write(cause.encode(errors="replace")[:1024])


def _start() -> Start:
    return Start(
        time=time.time(),
        world=_world(),
        host=socket.gethostname(),
        pid=os.getpid(),
        python=platform.python_version(),
    )


def _world() -> int:
    return _number("WORLD_SIZE", "PET_NNODES", default=1)


def _number(*names: str, default: int) -> int:
    return next((int(os.environ[name]) for name in names if os.environ.get(name, "").isdigit()), default)


def _prepare_imports() -> None:
    """Let the cell import what a notebook could: modules of its folder, and ``jupyter_trainjob.report``."""
    sys.path.insert(0, "")
    sys.path.append(str(ARCHIVE / STAND_IN))
    known.install()


def _read(name: str) -> bytes:
    loader: Any = __spec__.loader
    data: bytes = loader.get_data(str(ARCHIVE / name))
    return data
