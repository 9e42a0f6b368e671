"""The entry point of a rank (``python job.pyz``, ``torchrun job.pyz``): its lifecycle and its exit code.

A rank sends ``start``, runs the job's program, and sends ``result`` (rank 0) or ``error``, then ``end``. If the cell
raises, the process writes the traceback to standard error and exits with a code other than 0; the one-line cause is
also written to the termination message, which Kubernetes shows in the pod's status.
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

from . import cell_program, child_processes, module_aliases, report
from .captured_values import SetupError
from .manifest import Manifest
from .monitoring import exit_blockers, hang_watchdog, solo_rank, usage_reporter
from .notebook import notebook_modules
from .output import output_streams, secret_masking
from .output.frame_writer import EncodedMessage, FrameWriter, unwatch_signals, watch_signals
from .output.messages import END, ERROR, RAISED, RESULT, START, UNSENT, End, Error, Start, Unsent
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
from .results import raised_exception, rank_results, tracebacks
from .storage import job_dirs, storage_sync

ARCHIVE = Path(__file__).parent.parent
STAND_IN = "stand-in"
"""Folder of the archive with a package ``jupyter_trainjob`` for images that have none."""
EXIT_INTERRUPTED = 130


def main() -> int:
    """Run the job on this rank; return the exit code."""
    manifest = Manifest.from_json(_read_from_archive(MANIFEST))
    rank = _env_number("RANK", "PET_NODE_RANK", "JOB_COMPLETION_INDEX", default=0)
    secret_masking.load_secrets(manifest)
    output_streams.install()
    _prepare_imports()
    child_processes.install()
    checkpoints: job_dirs.CheckpointWatcher | None = None
    syncs: list[storage_sync.StorageSync] = []

    def on_pulse() -> None:
        output_streams.write_due_rows()
        if checkpoints is not None:
            checkpoints.poll()
        solo_check.poll()

    def on_last() -> None:
        if checkpoints is not None:
            checkpoints.poll(now=True)

    def on_terminate() -> NoReturn:
        for sync in syncs:
            sync.finish(writing=True)
        os._exit(EXIT_TERMINATED)

    # A duplicate of standard output: the cell may redirect its own, and child processes do not inherit this one.
    writer = FrameWriter(
        rank=rank,
        first=(START, dumps(_start_message())),
        fd=os.dup(1),
        on_pulse=on_pulse,
        on_last=on_last,
        on_terminate=on_terminate,
    )
    checkpoints = job_dirs.CheckpointWatcher(writer.send) if rank == 0 else None
    solo_check = solo_rank.SoloRankCheck(writer.send, rank=rank, reports=writer.report_times, source=manifest.source)
    writer.start()
    watch_signals(writer)
    report.attach(writer.rows)
    # The first rank of each node reports usage and syncs storage for all ranks of the node.
    is_first = _env_number("LOCAL_RANK", default=0) == 0
    usage_stop = usage_reporter.start(writer.send, visible=os.environ.get(usage_reporter.VISIBLE)) if is_first else None
    cells = {name: source.label for name, source in manifest.sources.items()}
    cells[manifest.filename] = manifest.filename
    watchdog_stop = hang_watchdog.start(
        writer.send,
        progress=lambda: (writer.report_times(1), output_streams.write_count()),
        reports=lambda: writer.report_times(hang_watchdog.STEPS),
        cells=cells,
    )
    rank_process = os.getpid()
    code, last = _run_and_describe(
        manifest, rank, cells, lambda: syncs.extend(filter(None, [storage_sync.start_sync(first=is_first, rank=rank)]))
    )
    if os.getpid() != rank_process:  # A child that the cell forked: its result, error and files are not the rank's.
        output_streams.finish()
        return code
    for sync in syncs:
        if (reason := sync.finish(writing=False)) and code == 0:
            code, error = _storage_failure(reason, rank)
            last.append(error)
    report.detach()
    for stop in (usage_stop, watchdog_stop):
        if stop is not None:
            stop.set()
    output_streams.finish()
    writer.finish([*last, (END, dumps(End(time=time.time(), ok=code == 0)))])
    unwatch_signals()
    exit_blockers.watch(manifest.kind, cells, code=code)
    return code


def _run_and_describe(
    manifest: Manifest, rank: int, cells: dict[str, str], start_sync: Callable[[], object]
) -> tuple[int, list[EncodedMessage]]:
    rank_process = os.getpid()
    try:
        start_sync()
        value = _run_program(manifest, rank)
        if os.getpid() != rank_process:
            return 0, []
        return 0, _dump_result(manifest, value, rank)
    except BaseException as error:  # noqa: BLE001 - whatever ends the program
        code = _exit_code(error)
        if os.getpid() != rank_process:
            _write_cause(error, tracebacks.describe_error(error, cells), rank, terminating=False)
            return code, []
        description = tracebacks.describe_error(error, cells)
        if isinstance(error, (SetupError, rank_results.ResultError)):
            description["traceback"] = ""
        _write_cause(error, description, rank)
        messages = [(ERROR, dumps(description))]
        if isinstance(error, Exception) and not isinstance(error, (SetupError, rank_results.ResultError)):
            # If the exception cannot be serialized, its text, which is in the error message, has to suffice.
            with contextlib.suppress(Exception):
                messages.append(
                    (RAISED, raised_exception.dump_exception(error, key=bytes.fromhex(manifest.key), rank=rank))
                )
        return code, messages


def _storage_failure(reason: str, rank: int) -> tuple[int, EncodedMessage]:
    """Return the exit code and error of a rank whose cell has succeeded, but whose files were not all stored."""
    error = SetupError(f"Not all files of the job could be stored at {os.environ.get(STORAGE_ENV)}: {reason}")
    description = tracebacks.describe_error(error, {})
    description["traceback"] = ""
    _write_cause(error, description, rank)
    return EXIT_SETUP, (ERROR, dumps(description))


def _dump_result(manifest: Manifest, value: Any, rank: int) -> list[EncodedMessage]:
    """Serialize this rank's result, and say what is missing in it. Only rank 0 returns the names of ``--out``.

    Raises `rank_results.ResultError` if the result of rank 0 cannot be stored.
    """
    key, shared = bytes.fromhex(manifest.key), os.environ.get(FOLDER_ENV)
    # The notebook cannot read a volume claim.
    on_claim = os.environ.get(STORAGE_ENV, "").startswith(CLAIM)
    folder = Path(shared) / RESULTS_FOLDER if shared and not on_claim else None
    limit = rank_results.log_limit(rank, _world_size(), folder=folder is not None)
    out, unassigned = cell_program.collect_out(manifest.out if rank == 0 else ())
    body, missing = rank_results.dump_result(
        value, out, key=key, rank=rank, limit=limit, folder=folder, kind=manifest.kind, missing=unassigned
    )
    try:
        _push_result(rank_results.result_file_name(rank))
    except rank_results.ResultError as error:
        if rank == 0:
            raise
        body = rank_results.dump_refusal(str(error), key=key, rank=rank)
        missing = {rank_results.VALUE_ITEM: str(error)}
    if not missing:
        return [(RESULT, body)]
    sentences = [rank_results.missing_sentence(*item, kind=manifest.kind) for item in missing.items()]
    print(*sentences, sep="\n", file=sys.stderr)
    return [(UNSENT, dumps(Unsent(time=time.time(), sentences=sentences))), (RESULT, body)]


def _push_result(name: str) -> None:
    """Store the file of a rank's result. Raises `rank_results.ResultError` for every error of the store."""
    try:
        storage_sync.push_result(name)
    except Exception as error:
        raise rank_results.ResultError(
            f"The result cannot be stored at {os.environ.get(STORAGE_ENV)}: {type(error).__name__}: {error}"
        ) from error


def _run_program(manifest: Manifest, rank: int) -> Any:
    try:
        return cell_program.run_program(manifest, ARCHIVE.parent, rank=rank)
    except SystemExit as exit_request:
        if exit_request.code in (None, 0):
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


def _write_cause(error: BaseException, description: Error, rank: int, *, terminating: bool = True) -> None:
    """Write the cause of the failure to standard error and, if `terminating`, to the termination message."""
    text = description["traceback"] or f"{description['type']}: {description['message']}\n"
    if isinstance(error, SystemExit):
        text = f"{error.code}\n" if not isinstance(error.code, int) else ""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text)
    if not terminating:
        return
    cause = f"rank {rank}: {tracebacks.headline(description)}"
    path = os.environ.get(TERMINATION_LOG_ENV) or TERMINATION_LOG
    # The first of several failing ranks in a pod writes the cause; the others fail because of it.
    with contextlib.suppress(OSError):
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        with os.fdopen(file, "ab") as log:
            if os.fstat(file).st_size == 0:
                log.write(cause.encode(errors="replace")[:1024])


def _start_message() -> Start:
    return Start(
        time=time.time(),
        world=_world_size(),
        host=socket.gethostname(),
        pid=os.getpid(),
        python=platform.python_version(),
    )


def _world_size() -> int:
    return _env_number("WORLD_SIZE", "PET_NNODES", default=1)


def _env_number(*names: str, default: int) -> int:
    return next((int(os.environ[name]) for name in names if os.environ.get(name, "").isdigit()), default)


def _prepare_imports() -> None:
    """Let the cell import what a notebook can: modules of the working folder, and ``jupyter_trainjob.report``."""
    sys.path.insert(0, "")
    sys.path.append(str(ARCHIVE / STAND_IN))
    module_aliases.install()
    notebook_modules.install()


def _read_from_archive(name: str) -> bytes:
    loader: Any = __spec__.loader
    data: bytes = loader.get_data(str(ARCHIVE / name))
    return data
