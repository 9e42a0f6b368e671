"""Fork server: a process that has torch imported and forks containers in milliseconds.

In, over a socket from the agent: a container's folder, the lock of its shim, and the "started" pipe. Out: a child that
runs the shim (`shim.run`), whose own child becomes the program: namespaces, environment, threads, seeds, then the
archive as ``__main__``. The server only imports: after a parallel region, or with CUDA initialised, its children would
hang or fail. Therefore it first tests that a child can multiply matrices.

Uses only the standard library and the framework; started by path with the pod's interpreter. Exits with its socket.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import io
import json
import os
import select
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

IMPORTS = ("torch", "torch.distributed", "torch.nn.parallel", "torch.utils.data")
OPTIONAL_IMPORTS = ("numpy", "numpy.random", "torch._dynamo")
"""Optional imports. Every optimizer imports ``torch._dynamo`` at construction, which takes seconds."""
SPARES = 4
"""Number of shims that are forked in advance; each takes some megabytes of page tables."""
QUIET_SECONDS = 0.3
PROBE_SECONDS = 5.0
PROBE_SIZE = 512
FIXED_SEED = 67280421310721
"""The initial seed of older versions of torch in every process, whose children need no new seed."""


def receive(connection: socket.socket, fds: int = 0) -> dict[str, Any] | None:
    """Return the next message, with its descriptors under ``fds``; None at end of file."""
    head, numbers = b"", []
    while len(head) < 4:
        data, new_fds, _, _ = socket.recv_fds(connection, 4 - len(head), fds)
        if not data:
            return None
        head += data
        numbers += new_fds
    size, body = int.from_bytes(head, "big"), b""
    while len(body) < size:
        data = connection.recv(size - len(body))
        if not data:
            return None
        body += data
    message: dict[str, Any] = json.loads(body)
    return {**message, "fds": numbers} if fds else message


def reply(connection: socket.socket, message: dict[str, Any]) -> None:
    """Send a message."""
    body = json.dumps(message).encode()
    connection.sendall(len(body).to_bytes(4, "big") + body)


def fingerprints(paths: Iterable[str]) -> dict[str, Any]:
    """Return fingerprints of paths: of files, and of the .pth files in folders, which change the import path."""
    return {path: _pth_files(path) if os.path.isdir(path) else _fingerprint(path) for path in paths}


def _fingerprint(path: str) -> list[int]:
    try:
        info = os.stat(path)
    except OSError:
        return [0, 0]
    return [info.st_mtime_ns, info.st_ino]


def have_changed(folders: dict[str, Any]) -> bool:
    """Return whether entries were added to or removed from folders since their fingerprints were taken."""
    return any(_fingerprint(path) != fingerprint for path, fingerprint in folders.items())


def _pth_files(folder: str) -> list[Any]:
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".pth"))
    except OSError:
        return []
    return [[name, *_fingerprint(os.path.join(folder, name))] for name in names]


def main() -> None:
    """Import the framework, test it, and serve."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder or ".") != here]
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    shim = import_sibling(here, "shim")
    with killed_on_close(connection):
        with variables_read() as read:
            files = load_framework()
        refusal = (
            files if isinstance(files, str) else "" if probe() else f"a child did not compute in {PROBE_SECONDS:.0f} s"
        )
    if isinstance(files, str) or refusal:
        reply(
            connection,
            {"refusal": refusal, "folders": {path: _fingerprint(path) for path in sys.path if os.path.isdir(path)}},
        )
        return
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are reaped by the kernel
    gc.collect()
    gc.freeze()
    reply(
        connection,
        {
            "files": fingerprints([*files, *filter(os.path.isdir, sys.path)]),
            "environ": dict(os.environ),
            "read": sorted(read),
        },
    )
    serve(connection, shim)


@contextlib.contextmanager
def killed_on_close(connection: socket.socket) -> Iterator[None]:
    """Let the kernel kill this process (SIGIO) when the peer closes, because imports do not poll the connection."""
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(connection, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(connection, fcntl.F_GETFL)
    fcntl.fcntl(connection, fcntl.F_SETFL, flags | os.O_ASYNC)
    try:
        if select.select([connection], [], [], 0)[0]:  # it was closed before O_ASYNC was set
            os._exit(1)
        yield
    finally:
        fcntl.fcntl(connection, fcntl.F_SETFL, flags)


@contextlib.contextmanager
def variables_read() -> Iterator[set[str]]:
    """Collect the names of environment variables that libraries read while they are imported, and may keep."""
    read: set[str] = set()
    environ_type: Any = type(os.environ)
    get_item = environ_type.__getitem__

    def recorded(environ: Any, name: str) -> str:
        read.add(name)
        value: str = get_item(environ, name)
        return value

    environ_type.__getitem__ = recorded
    try:
        yield read
    finally:
        environ_type.__getitem__ = get_item


class SpareShim:
    """A shim with its program, forked in advance and waiting for a container's folder."""

    def __init__(self, shim: Any, connections: list[socket.socket], fds: list[int]) -> None:
        """Fork; the child closes the server's `connections` and the `fds` of other containers."""
        self.connection, theirs = socket.socketpair()
        self.pid = fork()
        if not self.pid:
            for connection in (*connections, self.connection):
                connection.close()
            for fd in fds:
                os.close(fd)
            run_shim(shim, theirs)
        theirs.close()

    def send(self, request: dict[str, Any], fds: list[int]) -> bool:
        """Send a request; return False if the process was killed."""
        body = json.dumps(request).encode()
        try:
            socket.send_fds(self.connection, [len(body).to_bytes(4, "big") + body], fds)
        except OSError:
            return False
        finally:
            self.connection.close()
        return True


def serve(connection: socket.socket, shim: Any) -> None:
    """Assign each request to a shim. Spare ones are forked when idle."""
    spares: list[SpareShim] = []

    def more(fds: list[int]) -> SpareShim:
        return SpareShim(shim, [connection, *(spare.connection for spare in spares)], fds)

    while True:
        pause = None if len(spares) >= SPARES else QUIET_SECONDS
        if not select.select([connection], [], [], pause)[0]:
            spares.append(more([]))
            continue
        request = receive(connection, 2)
        if request is None:
            return
        fds: list[int] = request.pop("fds")
        spare = spares.pop(0) if spares else more(fds)
        while not spare.send(request, fds):
            spare = spares.pop(0) if spares else more(fds)
        for fd in fds:
            os.close(fd)
        reply(connection, {"pid": spare.pid})


def run_shim(shim: Any, connection: socket.socket) -> NoReturn:
    """Wait for a container's folder, run its shim, and exit without the parent's cleanup."""
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        unborn = shim.PreforkedProgram(run_program, close=(connection.fileno(),))
        request = receive(connection, 2)
        if request is not None:
            _lock, ready = request["fds"]
            connection.close()
            shim.run(request["folder"], ready, unborn)
        code = 0
    finally:
        os._exit(code)


def run_program(spec: dict[str, Any], started: Callable[[], None]) -> NoReturn:
    """Become the program, as if Python had just been started with the archive."""
    os.environ.clear()
    os.environ.update(spec["env"])
    reset_process_state(spec)
    started()
    code = 1
    try:
        _store = serve_store()  # must live until the end
        code = run_archive(spec["argv"])
    finally:
        os._exit(code)


def serve_store() -> object | None:
    """On rank 0, serve the rendezvous store that torchrun would serve, before other ranks connect.

    A rank that connects too early waits half a second before it retries.
    """
    if os.environ["RANK"] != "0":
        return None
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    try:
        store: object = sys.modules["torch.distributed"].TCPStore(address, port, is_master=True, wait_for_workers=False)
    except Exception as error:
        print(f"rank 0 cannot serve the rendezvous at {address}:{port}: {error}", file=sys.stderr)
        raise
    return store


def reset_process_state(spec: dict[str, Any]) -> None:
    """Reset what differs from a new process: streams, seeds, threads."""
    import random

    sys.argv = list(spec["argv"])
    sys.stdin = open(0, encoding=sys.stdin.encoding if sys.stdin else None, closefd=False)  # noqa: SIM115
    for name, fd in (("stdout", 1), ("stderr", 2)):
        old = getattr(sys, name)
        # Unbuffered, as torchrun's "python -u".
        new = io.TextIOWrapper(
            open(fd, "wb", buffering=0, closefd=False),  # noqa: SIM115
            encoding=old.encoding,
            errors=old.errors,
            write_through=True,
        )
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
    random.seed()
    if process := sys.modules.get("multiprocessing.process"):
        process.current_process().authkey = os.urandom(32)  # otherwise the same in all jobs
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    torch = sys.modules["torch"]
    if torch.initial_seed() != FIXED_SEED:
        torch.default_generator.seed()
    threads = int(os.environ.get("OMP_NUM_THREADS") or 0)
    if threads > 0:  # as OpenMP does, which ignores other values
        torch.set_num_threads(threads)  # OMP_NUM_THREADS is read only when torch is imported


def run_archive(argv: list[str]) -> int:
    """Run the archive as ``__main__`` and return the exit code that Python would exit with."""
    import atexit
    import runpy
    import threading
    import traceback
    import types

    code = 0
    try:
        sys.modules["__main__"] = types.ModuleType("__main__")
        sys.modules["__main__"].__annotations__ = {}
        sys.path.insert(0, argv[0])
        runpy._run_module_as_main("__main__", alter_argv=False)  # type: ignore[attr-defined]  # noqa: SLF001 - as Python
    except SystemExit as ending:
        code = exit_code(ending.code)
    except BaseException as failure:  # noqa: BLE001 - the program's exception is printed as Python does
        traceback.print_exception(type(failure), failure, program_traceback(failure))
        code = 130 if isinstance(failure, KeyboardInterrupt) else 1
    with contextlib.suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - as Python ends
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    return code


def program_traceback(failure: BaseException) -> Any:
    """Return the traceback without the frames of this file and of runpy, as Python would show it."""
    part = failure.__traceback__
    while part is not None and part.tb_frame.f_code.co_filename in (__file__, "<frozen runpy>", _RUNPY_FILE):
        part = part.tb_next
    return part


def exit_code(value: object) -> int:
    """Return the exit code of ``sys.exit(value)``."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value & 0xFF
    print(value, file=sys.stderr)
    return 1


def import_sibling(folder: str, name: str) -> Any:
    """Import a file in `folder`, leaving neither the folder in ``sys.path`` nor its modules in ``sys.modules``."""
    before = set(sys.modules)
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)
        for added in set(sys.modules) - before:
            if os.path.dirname(getattr(sys.modules[added], "__file__", None) or "") == folder:
                del sys.modules[added]


def load_framework() -> list[str] | str:
    """Import the framework; return its files, whose fingerprints detect upgrades, or why it cannot be used."""
    files: list[str] = []
    for name in (*IMPORTS, *OPTIONAL_IMPORTS):
        try:
            module = importlib.import_module(name)
        except Exception as error:  # noqa: BLE001, PERF203
            if name not in OPTIONAL_IMPORTS:
                return f"importing {name} failed: {type(error).__name__}: {error}"
        else:
            files.append(str(module.__file__))
    if sys.modules["torch"].cuda.is_initialized():
        return "importing torch initialised CUDA"
    return files


def probe() -> bool:
    """Return whether a forked child can compute."""
    result_read, result_write = os.pipe()
    pid = fork()
    if not pid:
        torch = sys.modules["torch"]
        ones = torch.ones(PROBE_SIZE, PROBE_SIZE)
        os.write(result_write, b"+" if float((ones @ ones)[0, 0]) == PROBE_SIZE else b"-")
        os._exit(0)
    os.close(result_write)
    computed = bool(select.select([result_read], [], [], PROBE_SECONDS)[0]) and os.read(result_read, 1) == b"+"
    os.close(result_read)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return computed


def fork() -> int:
    """Fork, without Python's warning about the threads that importing torch starts; `probe` tests that it works."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return os.fork()


_RUNPY_FILE = str(getattr(importlib.import_module("runpy"), "__file__", ""))

if __name__ == "__main__":
    main()
