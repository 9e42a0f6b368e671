"""A process that has torch imported and waits to be forked: the program of a pod starts in milliseconds.

In, over a socket from the agent: a pod's folder, the lock of its shim, the pipe that says "started". Out: a child that
is the shim (`shim.run`), whose own child becomes the program: namespaces, environment, threads, seeds, then the archive
as ``__main__``. The server itself only imports: after one parallel region, or with CUDA initialised, its children would
hang or fail. So it proves itself first: a child has to multiply matrices.

Standard library and the framework only; run by its path with the pod's interpreter. Dies when its socket closes.
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
ALSO = ("numpy", "numpy.random", "torch._dynamo")
"""Imported where they are there. Every optimizer imports ``torch._dynamo`` when it is made, for seconds a rank."""
SPARES = 4
"""Shims that are forked before they are needed; each takes some megabytes of page tables."""
QUIET_SECONDS = 0.3
PROBE_SECONDS = 5.0
PROBE_SIZE = 512
FIXED_SEED = 67280421310721
"""What older versions of torch begin with in every process, so that their children need no seed of their own."""


def receive(connection: socket.socket, fds: int = 0) -> dict[str, Any] | None:
    """Return the next message, with its descriptors under ``fds``; None at the end."""
    head, numbers = b"", []
    while len(head) < 4:
        data, got, _, _ = socket.recv_fds(connection, 4 - len(head), fds)
        if not data:
            return None
        head += data
        numbers += got
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


def stamps(paths: Iterable[str]) -> dict[str, Any]:
    """Return what changes when a package is replaced (files), or the import path becomes another (.pth in folders)."""
    return {path: _pth_files(path) if os.path.isdir(path) else _stamp(path) for path in paths}


def _stamp(path: str) -> list[int]:
    try:
        info = os.stat(path)
    except OSError:
        return [0, 0]
    return [info.st_mtime_ns, info.st_ino]


def changed(folders: dict[str, Any]) -> bool:
    """Return whether something was put into folders of packages, or taken out, since their stamps were made."""
    return any(_stamp(path) != seen for path, seen in folders.items())


def _pth_files(folder: str) -> list[Any]:
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".pth"))
    except OSError:
        return []
    return [[name, *_stamp(os.path.join(folder, name))] for name in names]


def main() -> None:
    """Import, prove it, serve."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder or ".") != here]
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    shim = load(here, "shim")
    with ending_with(connection):
        files = load_framework()
        why = (
            files if isinstance(files, str) else "" if probe() else f"a child did not compute in {PROBE_SECONDS:.0f} s"
        )
    if isinstance(files, str) or why:
        reply(connection, {"refusal": why, "folders": {path: _stamp(path) for path in sys.path if os.path.isdir(path)}})
        return
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # The kernel reaps our children.
    gc.collect()
    gc.freeze()
    reply(connection, {"files": stamps([*files, *filter(os.path.isdir, sys.path)]), "environ": dict(os.environ)})
    serve(connection, shim)


@contextlib.contextmanager
def ending_with(connection: socket.socket) -> Iterator[None]:
    """Have the kernel end this process with the daemon's end of the connection: an import looks at nothing."""
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(connection, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(connection, fcntl.F_GETFL)
    fcntl.fcntl(connection, fcntl.F_SETFL, flags | os.O_ASYNC)
    try:
        if select.select([connection], [], [], 0)[0]:  # It went before we asked to be told.
            os._exit(1)
        yield
    finally:
        fcntl.fcntl(connection, fcntl.F_SETFL, flags)


class Spare:
    """A shim with its program, forked in advance: what is left of a start is to say of which pod."""

    def __init__(self, shim: Any, connections: list[socket.socket], fds: list[int]) -> None:
        """Fork; the child closes what belongs to the server (`connections`) and to other pods (`fds`)."""
        self.connection, theirs = socket.socketpair()
        self.pid = fork()
        if not self.pid:
            for connection in (*connections, self.connection):
                connection.close()
            for fd in fds:
                os.close(fd)
            be_shim(shim, theirs)
        theirs.close()

    def give(self, request: dict[str, Any], fds: list[int]) -> bool:
        """Hand a request over; False if somebody killed the process."""
        body = json.dumps(request).encode()
        try:
            socket.send_fds(self.connection, [len(body).to_bytes(4, "big") + body], fds)
        except OSError:
            return False
        finally:
            self.connection.close()
        return True


def serve(connection: socket.socket, shim: Any) -> None:
    """Give each request to a shim. Spare ones are made when nothing is asked for."""
    spares: list[Spare] = []

    def more(fds: list[int]) -> Spare:
        return Spare(shim, [connection, *(spare.connection for spare in spares)], fds)

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
        while not spare.give(request, fds):
            spare = spares.pop(0) if spares else more(fds)
        for fd in fds:
            os.close(fd)
        reply(connection, {"pid": spare.pid})


def be_shim(shim: Any, connection: socket.socket) -> NoReturn:
    """Wait for a pod, serve it, then end without any of the parent's clean-up."""
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            unborn = shim.Unborn(become, close=(connection.fileno(),))
        request = receive(connection, 2)
        if request is not None:
            _lock, ready = request["fds"]
            connection.close()
            shim.run(request["folder"], ready, unborn)
        code = 0
    finally:
        os._exit(code)


def become(spec: dict[str, Any], started: Callable[[], None]) -> NoReturn:
    """Be the program: this process is as if Python had just been started with the archive."""
    os.environ.clear()
    os.environ.update(spec["env"])
    refresh(spec)
    started()
    code = 1
    try:
        _store = serve_store()  # kept until the end
        code = run_archive(spec["argv"])
    finally:
        os._exit(code)


def serve_store() -> object | None:
    """Serve, on rank 0, the store that torchrun serves beside its worker: it listens before anybody looks for it.

    A rank that looks too early waits for half a second before it looks again.
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


def refresh(spec: dict[str, Any]) -> None:
    """Renew what a new process would have: streams, seeds, threads, time zone."""
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
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    torch = sys.modules["torch"]
    if torch.initial_seed() != FIXED_SEED:
        torch.default_generator.seed()
    if threads := os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(int(threads))  # OMP_NUM_THREADS itself was read when torch was imported.


def run_archive(argv: list[str]) -> int:
    """Run the archive as ``__main__`` and return the exit code that Python would have ended with."""
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
    except BaseException as failure:  # noqa: BLE001 - it is the program's, and its traceback is what is wanted
        traceback.print_exception(type(failure), failure, program_part(failure))
        code = 130 if isinstance(failure, KeyboardInterrupt) else 1
    with contextlib.suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - as Python ends
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    return code


def program_part(failure: BaseException) -> Any:
    """Return the traceback without the frames of this file and of runpy, as a fresh Python would show it."""
    part = failure.__traceback__
    while part is not None and part.tb_frame.f_code.co_filename in (__file__, "<frozen runpy>", _RUNPY):
        part = part.tb_next
    return part


def exit_code(value: object) -> int:
    """Return the code of ``sys.exit(value)``."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value & 0xFF
    print(value, file=sys.stderr)
    return 1


def load(folder: str, name: str) -> Any:
    """Import a file beside this one without leaving a trace in the program's import path."""
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)
        for beside in (name, "cgroups", "enforce", "logwriter", "memory", "namespaces", "processes"):
            sys.modules.pop(beside, None)


def load_framework() -> list[str] | str:
    """Import the framework; return the files that tell whether it was replaced since, or why it cannot be used."""
    files: list[str] = []
    for name in (*IMPORTS, *ALSO):
        try:
            module = importlib.import_module(name)
        except Exception as error:  # noqa: BLE001, PERF203
            if name not in ALSO:
                return f"importing {name} failed: {type(error).__name__}: {error}"
        else:
            files.append(str(module.__file__))
    if sys.modules["torch"].cuda.is_initialized():
        return "importing torch initialised CUDA"
    return files


def probe() -> bool:
    """Return whether a child of this process computes."""
    done, done_in = os.pipe()
    pid = fork()
    if not pid:
        torch = sys.modules["torch"]
        ones = torch.ones(PROBE_SIZE, PROBE_SIZE)
        os.write(done_in, b"+" if float((ones @ ones)[0, 0]) == PROBE_SIZE else b"-")
        os._exit(0)
    os.close(done_in)
    computed = bool(select.select([done], [], [], PROBE_SECONDS)[0]) and os.read(done, 1) == b"+"
    os.close(done)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return computed


def fork() -> int:
    """Fork. Python warns of the threads that importing torch leaves; the probe shows that they do no harm."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return os.fork()


_RUNPY = str(getattr(importlib.import_module("runpy"), "__file__", ""))

if __name__ == "__main__":
    main()
