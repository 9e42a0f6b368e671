"""The shim: one small process between the agent and a pod's program, as containerd has one for every container.

In: a pod's folder with ``spec.json`` (what to run), a lock that the agent took for us, a pipe to say "started".
Out, all in that folder: ``pid.json``, ``log/`` (see `Log`) and, by an atomic rename, ``exit.json``.

It is the program's parent: it leads its own session, reads the program's output, passes SIGTERM on, kills what is left
of it and reaps it, so that the daemon, the agent and the fork server can die without the program noticing. The lock on
``alive`` is held exactly as long as the shim lives; whoever waits for it learns of our end at once, however it came.
No part of the program runs before ``pid.json`` names it: an agent that finds none may start the pod again.

Standard library only, and light: the agent starts this file by its path with ``-I -S``; a fork server calls `run` in a
child that it forked.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

Launch = Callable[[dict[str, Any], Callable[[], None]], None]
"""Becomes the program in the forked child; calls its second argument when the program's own code is next."""

READ = 65_536
LINE = 16_384
NOT_FOUND, SETUP_FAILED = 127, 128
SWEEP_SECONDS = 5.0
PR_SET_CHILD_SUBREAPER = 36


class Log:
    """Numbered files of lines ``<RFC3339Nano> <stdout|stderr> <F|P> <text>``, as Kubernetes' container runtimes write.

    The highest number is being written. When a file is too many, those of its lines that carry a frame are appended to
    ``kept`` before it goes, so a reader of ``kept`` and the files sees every frame. A disk that is full loses lines,
    never the program.
    """

    def __init__(self, folder: str, *, size: int, files: int, frame: str, kept_size: int) -> None:
        self._folder = folder
        self._size = size
        self._files = files
        self._frame = b" F " + frame.encode()
        self._kept_room = kept_size
        self._stamps = Stamps()
        self._rest = {b"stdout": b"", b"stderr": b""}
        self._number = 0
        self._written = 0
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self._file = self._open_next()

    def feed(self, stream: bytes, data: bytes) -> None:
        """Write the lines that `data` completes; what is left of it waits for its end."""
        stamps = self._stamps
        stamps.renew()
        whole = (self._rest[stream] + data).split(b"\n")
        rest = whole.pop()
        out: list[bytes] = []
        for line in whole:
            if len(line) > LINE:
                *parts, line = pieces(line)  # noqa: PLW2901
                out += [b"%b %b P %b\n" % (stamps.next(), stream, part) for part in parts]
            out.append(b"%b %b F %b\n" % (stamps.next(), stream, line))
        if len(rest) >= LINE:
            *parts, rest = pieces(rest)
            out += [b"%b %b P %b\n" % (stamps.next(), stream, part) for part in parts]
        self._rest[stream] = rest
        self._write(b"".join(out))

    def close(self) -> None:
        """Write the lines that never ended."""
        for stream, rest in self._rest.items():
            if rest:
                self._write(b"%b %b F %b\n" % (self._stamps.next(), stream, rest))
        os.close(self._file)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        with contextlib.suppress(OSError):
            while view:
                written = os.write(self._file, view)
                self._written += written
                view = view[written:]
        if self._written >= self._size:
            os.close(self._file)
            self._file = self._open_next()
            self._drop(self._number - self._files)

    def _open_next(self) -> int:
        self._number += 1
        self._written = 0
        return os.open(self._path(self._number), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _drop(self, number: int) -> None:
        path = self._path(number)
        with contextlib.suppress(OSError):
            with open(path, "rb") as old, open(os.path.join(self._folder, "kept"), "ab") as kept:
                for line in old:
                    if self._frame in line[:80] and len(line) <= self._kept_room:
                        self._kept_room -= kept.write(line)
            os.unlink(path)

    def _path(self, number: int) -> str:
        return os.path.join(self._folder, f"{number:08d}")


def pieces(line: bytes) -> Iterator[bytes]:
    """Yield `line` in pieces of at most `LINE` bytes; the last may be empty."""
    for start in range(0, len(line) + 1, LINE):
        yield line[start : start + LINE]


class Stamps:
    """Time stamps that always grow, by a nanosecond at least, so that each names one line of a log."""

    def __init__(self) -> None:
        self._second = b""
        self._start = 0
        self._now = 0
        self.renew()

    def renew(self) -> None:
        """Look at the clock."""
        self._now = max(time.time_ns(), self._now)

    def next(self) -> bytes:
        """Return the next stamp: RFC 3339 with nine digits, which sorts as text."""
        self._now += 1
        if not 0 <= self._now - self._start < 1_000_000_000:
            seconds = self._now // 1_000_000_000
            self._start = seconds * 1_000_000_000
            self._second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode()
        return b"%b.%09dZ" % (self._second, self._now - self._start)


def stamp() -> str:
    """Return now."""
    return Stamps().next().decode()


class Shim:
    """One program from its fork to its exit status."""

    def __init__(self, folder: str, ready: int, launch: Launch) -> None:
        self._folder = folder
        self._ready = ready
        self._launch = launch
        with open(os.path.join(folder, "spec.json"), encoding="utf-8") as file:
            self._spec: dict[str, Any] = json.load(file)
        self._log = Log(os.path.join(folder, "log"), **self._spec["log"])
        self._program = 0
        self._status: int | None = None
        self._fault = b""
        self._kill_at: float | None = None
        self._stop_asked = False
        self._streams: dict[int, bytes] = {}
        self._poll = select.poll()

    def run(self) -> None:
        """Start the program, serve it until it ends, and leave its exit status behind."""
        wake, wake_in = os.pipe()
        os.set_blocking(wake_in, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _ignore)
        signal.signal(signal.SIGTERM, self._ask_stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        adopt_orphans()
        fault = self._fork()
        for fd in (wake, fault, *self._streams):
            self._poll.register(fd, select.POLLIN)
        started = stamp()
        while self._status is None:
            for fd in self._wait(self._kill_at):
                if fd == wake:
                    drain(wake)
                elif fd == fault:
                    self._read_fault(fault, started)
                else:
                    self._read(fd)
            self._stop_when_due()
            self._reap()
        self._sweep(wake)
        self._drain(wake, fault)
        self._log.close()
        self._write_exit(started)

    def _fork(self) -> int:
        out, out_in = os.pipe()
        err, err_in = os.pipe()
        gate, gate_in = os.pipe()
        fault, fault_in = os.pipe()
        self._streams = {out: b"stdout", err: b"stderr"}
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        self._program = os.fork()
        if not self._program:
            for fd in (out, err, gate_in, fault, self._ready):
                os.close(fd)
            self._become(out_in, err_in, gate, fault_in)
        for fd in (out_in, err_in, gate, fault_in):
            os.close(fd)
        with contextlib.suppress(OSError):
            os.setpgid(self._program, self._program)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        names = {"shim": identity(os.getpid()), "program": identity(self._program), "started": stamp()}
        write_json(os.path.join(self._folder, "pid.json"), names)
        os.write(gate_in, b"g")
        os.close(gate_in)
        return fault

    def _become(self, out: int, err: int, gate: int, fault: int) -> NoReturn:
        """Turn the forked child into the program."""
        code = SETUP_FAILED
        try:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            null = os.open(os.devnull, os.O_RDONLY)
            for source, target in ((null, 0), (out, 1), (err, 2)):
                os.dup2(source, target)
                os.close(source)
            if not os.read(gate, 1):
                os._exit(SETUP_FAILED)
            os.close(gate)
            if self._spec.get("namespaces"):
                sibling("namespaces").enter(self._spec["namespaces"])
            os.umask(0o022)
            enter_folder(self._spec["cwd"])
            self._launch(self._spec, lambda: os.close(fault))
            code = 0
        except StartFailed as failure:
            code = failure.code
            report(fault, code, str(failure))
        except BaseException as failure:  # noqa: BLE001 - nothing may escape into the parent's code
            report(fault, code, f"could not prepare the program: {type(failure).__name__}: {failure}")
        os._exit(code)

    def _read_fault(self, fd: int, started: str) -> None:
        data = os.read(fd, READ)
        self._fault += data
        if data:
            return
        self._poll.unregister(fd)
        os.close(fd)
        if not self._fault:
            with contextlib.suppress(OSError):
                os.write(self._ready, json.dumps({"pid": self._program, "started": started}).encode())
        os.close(self._ready)
        self._ready = -1

    def _read(self, fd: int) -> None:
        data = os.read(fd, READ)
        if data:
            self._log.feed(self._streams[fd], data)
            return
        self._poll.unregister(fd)
        os.close(fd)
        del self._streams[fd]

    def _wait(self, until: float | None) -> list[int]:
        timeout = None if until is None else max(0.0, until - time.monotonic()) * 1000 + 1
        return [fd for fd, _ in self._poll.poll(timeout)]

    def _ask_stop(self, *_: Any) -> None:
        self._stop_asked = True

    def _stop_when_due(self) -> None:
        """Pass SIGTERM on; the grace is what ``grace`` says, else the pod's. A further request may shorten it."""
        if self._stop_asked:
            self._stop_asked = False
            grace = float(self._spec["grace"])
            with contextlib.suppress(OSError, ValueError), open(os.path.join(self._folder, "grace")) as file:
                grace = float(file.read())
            if grace > 0:
                send(-self._program, signal.SIGTERM)
            until = time.monotonic() + grace
            self._kill_at = until if self._kill_at is None else min(until, self._kill_at)
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill_at = None
            for pid in descendants(os.getpid()):
                send(pid, signal.SIGKILL)
            send(-self._program, signal.SIGKILL)

    def _reap(self) -> int:
        count = 0
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    break
                count += 1
                if pid == self._program:
                    self._status = status
        return count

    def _sweep(self, wake: int) -> None:
        """Kill what the program has left: its group, and on Linux everything that descends from it."""
        deadline = time.monotonic() + SWEEP_SECONDS
        while time.monotonic() < deadline:
            send(-self._program, signal.SIGKILL)
            for pid in descendants(os.getpid()):
                send(pid, signal.SIGKILL)
            self._reap()
            if not has_children():
                return
            select.select([wake], [], [], 0.05)
            drain(wake)

    def _drain(self, wake: int, fault: int) -> None:
        """Read what is still in the pipes. Whoever else holds their other end does not keep us."""
        with contextlib.suppress(KeyError):
            self._poll.unregister(wake)
        deadline = time.monotonic() + 1.0
        if self._ready >= 0:
            self._read_fault(fault, "")
        while (self._streams or self._ready >= 0) and time.monotonic() < deadline:
            for fd in self._wait(deadline):
                if fd == fault:
                    self._read_fault(fault, "")
                else:
                    self._read(fd)

    def _write_exit(self, started: str) -> None:
        status = self._status or 0
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        code = 128 + number if number else os.WEXITSTATUS(status)
        end: dict[str, Any] = {"code": code, "signal": number, "started": started, "finished": stamp(), "oom": False}
        if self._fault:
            end.update(json.loads(self._fault))
        write_json(os.path.join(self._folder, "exit.json"), end)


class StartFailed(Exception):
    """The program could not be started; `code` is what its pod reports."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def execute(spec: dict[str, Any], started: Callable[[], None]) -> None:
    """Replace this process by the program; its start is known by the pipe that closes on exec."""
    del started
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    argv: list[str] = spec["argv"]
    try:
        os.execvpe(argv[0], argv, spec["env"])  # noqa: S606
    except FileNotFoundError as error:
        where = "no such file or directory" if "/" in argv[0] else "executable file not found in $PATH"
        raise StartFailed(NOT_FOUND, f'exec: "{argv[0]}": {where}') from error
    except OSError as error:
        raise StartFailed(NOT_FOUND, f'exec: "{argv[0]}": {error.strerror}') from error


def run(folder: str, ready: int, launch: Launch = execute) -> None:
    """Be the shim of the pod in `folder`, in a process of our own. `ready` is closed when the program has started."""
    Shim(folder, ready, launch).run()


def enter_folder(path: str) -> None:
    """Change to the working folder; say which one where that fails."""
    try:
        os.chdir(path)
    except OSError as error:
        raise StartFailed(SETUP_FAILED, f'working directory "{path}": {error.strerror}') from error


def sibling(name: str) -> Any:
    """Import a file that lies beside this one, without the package around it."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, here)
    try:
        return __import__(name)
    finally:
        sys.path.remove(here)
        sys.modules.pop(name, None)


def report(fd: int, code: int, message: str) -> None:
    """Tell the shim why there is no program."""
    with contextlib.suppress(OSError):
        os.write(fd, json.dumps({"code": code, "reason": "StartError", "message": message}).encode())


def adopt_orphans() -> None:
    """On Linux, become the parent of every descendant whose own parent dies (torchrun's workers lead sessions)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(pid: int) -> list[int]:
    """Return the processes below `pid`, nearest first."""
    children: dict[int, list[int]] = {}
    for child, parent in parents():
        children.setdefault(parent, []).append(child)
    found: list[int] = []
    layer = children.get(pid, [])
    while layer:
        found += layer
        layer = [child for parent in layer for child in children.get(parent, [])]
    return found


def parents() -> Iterator[tuple[int, int]]:
    """Yield each process with its parent."""
    if os.path.exists("/proc/self/stat"):
        for name in os.listdir("/proc"):
            if name.isdigit() and (fields := stat_fields(int(name))):
                yield int(name), int(fields[1])
        return
    with os.popen("/bin/ps -axo pid=,ppid=") as table:  # noqa: S605 - macOS has no /proc
        for line in table:
            child, parent = line.split()
            yield int(child), int(parent)


def stat_fields(pid: int) -> list[str]:
    """Return the fields of ``/proc/<pid>/stat`` after the name, beginning with the state; empty if there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def identity(pid: int) -> dict[str, Any]:
    """Return what tells a process from a later one with its pid: the kernel's start tick (Linux), else the time."""
    fields = stat_fields(pid)
    return {"pid": pid, "ticks": int(fields[19]) if fields else None, "time": time.time()}


def send(pid: int, number: int) -> None:
    """Send a signal to a process or, negative, to a group; it may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def has_children() -> bool:
    """Return whether a child is left, dead or alive."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def drain(fd: int) -> None:
    """Empty a non-blocking pipe."""
    with contextlib.suppress(BlockingIOError):
        while os.read(fd, READ):
            pass


def write_json(path: str, value: dict[str, Any]) -> None:
    """Write a file whole or not at all."""
    part = path + ".part"
    with open(part, "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.replace(part, path)


def _ignore(*_: Any) -> None:
    """Be a handler, so that the signal reaches the wake-up pipe."""


def main() -> None:
    """Serve ``shim.py FOLDER LOCK READY``; the lock's descriptor only has to stay open."""
    folder, _lock, ready = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    os.set_inheritable(_lock, False)
    os.set_inheritable(ready, False)
    os.chdir("/")
    run(folder, ready)


if __name__ == "__main__":
    main()
