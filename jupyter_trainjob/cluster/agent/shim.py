"""The shim: one small process between the agent and a pod's program, as containerd has one for every container.

In: a pod's folder with ``spec.json`` (what to run), a lock that the agent took for us, a pipe to say "started".
Out, all in that folder: ``pid.json``, ``log/`` (see `Log`) and, by an atomic rename, ``exit.json``.

It is the program's parent: it leads its own session, reads the program's output, passes SIGTERM on, kills what is left
of it and reaps it, so that the daemon, the agent and the fork server can die without the program noticing. It holds the
program to its limits (`enforce`). The lock on ``alive`` is held exactly as long as the shim lives; whoever waits for it
learns of our end at once, however it came.
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
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING or __package__:
    from jupyter_trainjob.cluster.agent import enforce, logwriter, namespaces, processes
else:  # started by its path: the package is not there, only the files beside this one
    _here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, _here)
    import enforce
    import logwriter
    import namespaces
    import processes

    sys.path.remove(_here)

Launch = Callable[[dict[str, Any], Callable[[], None]], None]
"""Becomes the program in the forked child; calls its second argument when the program's own code is next."""

READ = 65_536
RESERVED = 4_096
NOT_STARTED = 128
"""What container runtimes report of a program that could not be started."""
SWEEP_SECONDS = 5.0


class Unborn:
    """The process that becomes a program: forked, its output in pipes, waiting to be told of which pod.

    It can be made before there is a pod, since forking a process with a framework in it takes longer than all else.
    """

    def __init__(self, launch: Launch, *, close: tuple[int, ...] = ()) -> None:
        """Fork; the child closes `close`."""
        self.out, out_in = os.pipe()
        self.err, err_in = os.pipe()
        gate, self._gate = os.pipe()
        self.fault, fault_in = os.pipe()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        self.pid = os.fork()
        if not self.pid:
            for fd in (self.out, self.err, self._gate, self.fault, *close):
                os.close(fd)
            become(launch, out=out_in, err=err_in, gate=gate, fault=fault_in)
        for fd in (out_in, err_in, gate, fault_in):
            os.close(fd)
        with contextlib.suppress(OSError):
            os.setpgid(self.pid, self.pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def begin(self, folder: str) -> None:
        """Let it become the program of the pod in `folder`."""
        os.write(self._gate, folder.encode())
        os.close(self._gate)


def become(launch: Launch, *, out: int, err: int, gate: int, fault: int) -> NoReturn:
    """Turn the forked child into the program, once `gate` names its folder."""
    code = NOT_STARTED
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
        folder = os.read(gate, READ)
        if not folder:
            os._exit(NOT_STARTED)
        os.close(gate)
        spec = read_spec(folder.decode())
        if spec.get("namespaces"):
            namespaces.enter(spec["namespaces"])
        os.umask(0o022)
        enter_folder(spec["cwd"])
        launch(spec, lambda: os.close(fault))
        code = 0
    except StartFailed as failure:
        report(fault, code, str(failure))
    except BaseException as failure:  # noqa: BLE001 - nothing may escape into the parent's code
        report(fault, code, f"could not prepare the program: {type(failure).__name__}: {failure}")
    os._exit(code)


class Shim:
    """One program from its start to its exit status."""

    def __init__(self, folder: str, ready: int, unborn: Unborn) -> None:
        self._folder = folder
        self._ready = ready
        self._unborn = unborn
        self._spec = read_spec(folder)
        self._log = logwriter.Log(os.path.join(folder, "log"), **self._spec["log"])
        self._program = unborn.pid
        self._status: int | None = None
        self._fault = b""
        self._kill_at: float | None = None
        self._stop_asked = False
        self._guard: enforce.Guard | None = None
        self._streams = {unborn.out: b"stdout", unborn.err: b"stderr"}
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
        processes.adopt_orphans()
        fault = self._unborn.fault
        for fd in (wake, fault, *self._streams):
            self._poll.register(fd, select.POLLIN)
        started = logwriter.stamp()
        names = {"shim": processes.identity(os.getpid()), "program": processes.identity(self._program)}
        reserve(os.path.join(self._folder, "exit.json"))
        write_json(os.path.join(self._folder, "pid.json"), {**names, "started": started})
        if limits := self._spec.get("limits"):
            self._guard = self._limited(limits)
        self._unborn.begin(self._folder)
        while self._status is None:
            for fd in self._wait(self._next_look()):
                if fd == wake:
                    drain(wake)
                elif fd == fault:
                    self._read_fault(fault, started)
                elif fd in self._streams:
                    self._read(fd)
                elif self._guard is not None and self._guard.noticed(fd):
                    self._kill()
            self._stop_when_due()
            self._look_at_memory()
            self._reap()
        self._sweep(wake)
        out_of_memory = self._end_limits()
        self._drain(wake, fault)
        self._log.close()
        self._write_exit(started, out_of_memory=out_of_memory)

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
                processes.send(-self._program, signal.SIGTERM)
            until = time.monotonic() + grace
            self._kill_at = until if self._kill_at is None else min(until, self._kill_at)
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill_at = None
            self._kill()

    def _kill(self) -> None:
        """Kill the program: its group, and what has left it."""
        for pid in processes.descendants(os.getpid()):
            processes.send(pid, signal.SIGKILL)
        processes.send(-self._program, signal.SIGKILL)

    def _limited(self, limits: dict[str, Any]) -> enforce.Guard:
        guard = enforce.Guard(limits, self._program)
        for notice in guard.notices:
            self._poll.register(notice, select.POLLIN)
        return guard

    def _next_look(self) -> float | None:
        """Return when something is to be done although nothing happens."""
        due = self._guard.due if self._guard is not None else None
        return min((at for at in (self._kill_at, due) if at is not None), default=None)

    def _look_at_memory(self) -> None:
        guard = self._guard
        if guard is None or guard.due is None or time.monotonic() < guard.due:
            return
        if guard.look(processes.descendants(os.getpid())):
            self._kill()

    def _end_limits(self) -> bool:
        """Remove the control groups; return whether the program was killed for memory."""
        if self._guard is None:
            return False
        for notice in self._guard.notices:
            self._poll.unregister(notice)
        return self._guard.finish()

    def _reap(self) -> bool:
        """Take leave of the children that have ended; return whether others are left."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return True
                if pid == self._program:
                    self._status = status
        except ChildProcessError:
            return False

    def _sweep(self, wake: int) -> None:
        """Kill what the program has left: its group, and on Linux everything that descends from it."""
        deadline = time.monotonic() + SWEEP_SECONDS
        while time.monotonic() < deadline:
            processes.send(-self._program, signal.SIGKILL)
            for pid in processes.descendants(os.getpid()):
                processes.send(pid, signal.SIGKILL)
            if not self._reap():
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

    def _write_exit(self, started: str, *, out_of_memory: bool) -> None:
        status = self._status or 0
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        code = 128 + number if number else os.WEXITSTATUS(status)
        end: dict[str, Any] = {
            "code": code,
            "signal": number,
            "started": started,
            "finished": logwriter.stamp(),
        }
        if out_of_memory and code:
            end["reason"] = "OOMKilled"
        if self._fault:
            end.update(json.loads(self._fault))
        write_reserved(os.path.join(self._folder, "exit.json"), end)


class StartFailed(Exception):
    """The program could not be started."""


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
        raise StartFailed(f'exec: "{argv[0]}": {where}') from error
    except OSError as error:
        raise StartFailed(f'exec: "{argv[0]}": {error.strerror}') from error


def run(folder: str, ready: int, unborn: Unborn) -> None:
    """Be the shim of the pod in `folder`, in a process of our own. `ready` is closed when the program has started."""
    Shim(folder, ready, unborn).run()


def read_spec(folder: str) -> dict[str, Any]:
    """Return what the pod in `folder` runs."""
    with open(os.path.join(folder, "spec.json"), encoding="utf-8") as file:
        spec: dict[str, Any] = json.load(file)
    return spec


def enter_folder(path: str) -> None:
    """Change to the working folder; say which one where that fails."""
    try:
        os.chdir(path)
    except OSError as error:
        raise StartFailed(f'working directory "{path}": {error.strerror}') from error


def report(fd: int, code: int, message: str) -> None:
    """Tell the shim why there is no program."""
    with contextlib.suppress(OSError):
        os.write(fd, json.dumps({"code": code, "reason": "StartError", "message": message}).encode())


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


def reserve(path: str) -> None:
    """Take the space for a short file that must be written later, even if the disk is full by then."""
    with open(path + ".part", "wb") as file:
        file.write(b" " * RESERVED)


def write_reserved(path: str, value: dict[str, Any]) -> None:
    """Write a file whole or not at all, into the space that `reserve` took if there is any."""
    part = path + ".part"
    fd = os.open(part, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        data = json.dumps(value).encode()
        os.write(fd, data.ljust(RESERVED))
    finally:
        os.close(fd)
    os.replace(part, path)


def _ignore(*_: Any) -> None:
    """Be a handler, so that the signal reaches the wake-up pipe."""


def main() -> None:
    """Serve ``shim.py FOLDER LOCK READY``; the lock's descriptor only has to stay open."""
    folder, _lock, ready = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    os.set_inheritable(_lock, False)
    os.set_inheritable(ready, False)
    os.chdir("/")
    run(folder, ready, Unborn(execute))


if __name__ == "__main__":
    main()
