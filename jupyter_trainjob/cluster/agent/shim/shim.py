"""The shim: a small process between the agent and a container's program, like containerd's shim.

In: a folder with ``spec.json``, a lock that the agent has acquired for the shim, and a pipe to report the start.
Out, all in that folder: ``pid.json``, ``log/`` (see `log_writer`) and, by an atomic rename, ``exit.json``.

It is the program's parent and a session leader: it reads the program's output, forwards SIGTERM, and kills and reaps
all its processes, so that the program survives daemon, agent and fork server. It enforces the program's limits
(`limit_enforcer`). It holds the lock on ``alive`` exactly as long as it lives, so that waiting for the lock detects its
end, however it came. The program's code runs only after ``pid.json`` is written: an agent that finds none may start the
container again.

Standard library only, with few imports: the agent starts this file by path with ``-I -S``; a fork server calls `run` in
a forked child.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING or __package__:
    from jupyter_trainjob.cluster.agent.shim import limit_enforcer, log_writer, namespaces, processes
else:  # started by path: the package is not importable, only the files in this folder
    _here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, _here)
    import limit_enforcer
    import log_writer
    import namespaces
    import processes

    sys.path.remove(_here)

Launch = Callable[[dict[str, Any], Callable[[], None]], None]
"""Becomes the program in the forked child; calls its second argument immediately before the program's own code."""

READ_BYTES = 65_536
RESERVED_BYTES = 4_096
NOT_STARTED = 128
"""Exit code that container runtimes report if the program could not be started."""
SWEEP_SECONDS = 5.0


class PreforkedProgram:
    """The process that becomes the program: forked, with its output in pipes, waiting for a folder.

    It can be forked before there is a container, because forking a process with a framework is the slowest step.
    """

    def __init__(self, launch: Launch, *, close: tuple[int, ...] = ()) -> None:
        """Fork; the child closes `close`."""
        self.out, out_in = os.pipe()
        self.err, err_in = os.pipe()
        gate, self._gate = os.pipe()
        self.fault, fault_in = os.pipe()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        with warnings.catch_warnings():  # left before the program starts, which has its own filters
            warnings.simplefilter("ignore")
            self.pid = os.fork()
        if not self.pid:
            for fd in (self.out, self.err, self._gate, self.fault, *close):
                os.close(fd)
            become_program(launch, out=out_in, err=err_in, gate=gate, fault=fault_in)
        for fd in (out_in, err_in, gate, fault_in):
            os.close(fd)
        with contextlib.suppress(OSError):
            os.setpgid(self.pid, self.pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def start(self, folder: str) -> None:
        """Let the process become the program of the container in `folder`."""
        os.write(self._gate, folder.encode())
        os.close(self._gate)


def become_program(launch: Launch, *, out: int, err: int, gate: int, fault: int) -> NoReturn:
    """Turn the forked child into the program, once it has read its folder from `gate`."""
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
        folder = os.read(gate, READ_BYTES)
        if not folder:
            os._exit(NOT_STARTED)
        os.close(gate)
        spec = read_spec(folder.decode())
        if spec.get("namespaces"):
            namespaces.enter(spec["namespaces"])
        os.umask(0o022)
        change_folder(spec["cwd"])
        launch(spec, lambda: os.close(fault))
        code = 0
    except StartFailed as failure:
        report_failure(fault, code, str(failure))
    except BaseException as failure:  # noqa: BLE001 - the child must not return into the parent's code
        report_failure(fault, code, f"could not prepare the program: {type(failure).__name__}: {failure}")
    os._exit(code)


class Shim:
    """One program from its start to its exit status."""

    def __init__(self, folder: str, ready: int, program: PreforkedProgram) -> None:
        self._folder = folder
        self._ready = ready
        self._preforked = program
        self._spec = read_spec(folder)
        self._log = log_writer.LogWriter(os.path.join(folder, "log"), **self._spec["log"])
        self._program = program.pid
        self._status: int | None = None
        self._fault = b""
        self._kill_at: float | None = None
        self._stop_requested = False
        self._enforcer: limit_enforcer.LimitEnforcer | None = None
        self._streams = {program.out: b"stdout", program.err: b"stderr"}
        self._poll = select.poll()

    def run(self) -> None:
        """Run the program to its end, and write its exit status."""
        wake, wake_in = os.pipe()
        os.set_blocking(wake_in, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _ignore)
        signal.signal(signal.SIGTERM, self._request_stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        processes.adopt_orphans()
        fault = self._preforked.fault
        for fd in (wake, fault, *self._streams):
            self._poll.register(fd, select.POLLIN)
        started = log_writer.current_timestamp()
        identities = {"shim": processes.identity(os.getpid()), "program": processes.identity(self._program)}
        reserve_space(os.path.join(self._folder, "exit.json"))
        write_json(os.path.join(self._folder, "pid.json"), {**identities, "started": started})
        if limits := self._spec.get("limits"):
            self._enforcer = self._enforce_limits(limits)
        self._preforked.start(self._folder)
        while self._status is None:
            for fd in self._wait(self._next_timer()):
                if fd == wake:
                    drain_pipe(wake)
                elif fd == fault:
                    self._read_fault(fault, started)
                elif fd in self._streams:
                    self._read(fd)
                elif self._enforcer is not None and self._enforcer.handle_oom_event(fd):
                    self._kill()
            self._stop_when_due()
            self._check_memory()
            self._reap()
        self._sweep(wake)
        out_of_memory = self._remove_limits()
        self._drain_pipes(wake, fault)
        self._log.close()
        self._write_exit(started, out_of_memory=out_of_memory)

    def _read_fault(self, fd: int, started: str) -> None:
        data = os.read(fd, READ_BYTES)
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
        data = os.read(fd, READ_BYTES)
        if data:
            self._log.write_output(self._streams[fd], data)
            return
        self._poll.unregister(fd)
        os.close(fd)
        del self._streams[fd]

    def _wait(self, until: float | None) -> list[int]:
        timeout = None if until is None else max(0.0, until - time.monotonic()) * 1000 + 1
        return [fd for fd, _ in self._poll.poll(timeout)]

    def _request_stop(self, *_: Any) -> None:
        self._stop_requested = True

    def _stop_when_due(self) -> None:
        """Forward SIGTERM, with the grace period of the file ``grace`` or the pod; later requests may shorten it."""
        if self._stop_requested:
            self._stop_requested = False
            grace = float(self._spec["grace"])
            with contextlib.suppress(OSError, ValueError), open(os.path.join(self._folder, "grace")) as file:
                grace = float(file.read())
            if grace > 0:
                processes.send_signal(-self._program, signal.SIGTERM)
            until = time.monotonic() + grace
            self._kill_at = until if self._kill_at is None else min(until, self._kill_at)
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill_at = None
            self._kill()

    def _kill(self) -> None:
        """Kill the program: its process group and all descendants."""
        for pid in processes.descendants(os.getpid()):
            processes.send_signal(pid, signal.SIGKILL)
        processes.send_signal(-self._program, signal.SIGKILL)

    def _enforce_limits(self, limits: dict[str, Any]) -> limit_enforcer.LimitEnforcer:
        enforcer = limit_enforcer.LimitEnforcer(limits, self._program)
        for event in enforcer.oom_events:
            self._poll.register(event, select.POLLIN)
        return enforcer

    def _next_timer(self) -> float | None:
        """Return the monotonic time of the next timer, None if there is none."""
        due = self._enforcer.next_check if self._enforcer is not None else None
        return min((at for at in (self._kill_at, due) if at is not None), default=None)

    def _check_memory(self) -> None:
        enforcer = self._enforcer
        if enforcer is None or enforcer.next_check is None or time.monotonic() < enforcer.next_check:
            return
        if enforcer.check_memory(processes.descendants(os.getpid())):
            self._kill()

    def _remove_limits(self) -> bool:
        """Remove the control groups; return whether the program was killed for memory."""
        if self._enforcer is None:
            return False
        for event in self._enforcer.oom_events:
            self._poll.unregister(event)
        return self._enforcer.finish()

    def _reap(self) -> bool:
        """Reap children that have ended; return whether others are left."""
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
        """Kill remaining processes of the program: its group, and on Linux all descendants."""
        deadline = time.monotonic() + SWEEP_SECONDS
        while time.monotonic() < deadline:
            processes.send_signal(-self._program, signal.SIGKILL)
            for pid in processes.descendants(os.getpid()):
                processes.send_signal(pid, signal.SIGKILL)
            if not self._reap():
                return
            select.select([wake], [], [], 0.05)
            drain_pipe(wake)

    def _drain_pipes(self, wake: int, fault: int) -> None:
        """Read the rest of the pipes, for at most a second if other processes hold them open."""
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
        record: dict[str, Any] = {
            "code": code,
            "signal": number,
            "started": started,
            "finished": log_writer.current_timestamp(),
        }
        if out_of_memory and code:
            record["reason"] = "OOMKilled"
        if self._fault:
            record.update(json.loads(self._fault))
        write_reserved(os.path.join(self._folder, "exit.json"), record)


class StartFailed(Exception):
    """The program could not be started."""


def exec_program(spec: dict[str, Any], started: Callable[[], None]) -> None:
    """Replace this process with the program; the "fault" pipe closes on exec."""
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


def run(folder: str, ready: int, preforked: PreforkedProgram) -> None:
    """Run the shim of the container in `folder` in this process. `ready` is closed when the program has started."""
    Shim(folder, ready, preforked).run()


def read_spec(folder: str) -> dict[str, Any]:
    """Return the contents of ``spec.json`` in `folder`."""
    with open(os.path.join(folder, "spec.json"), encoding="utf-8") as file:
        spec: dict[str, Any] = json.load(file)
    return spec


def change_folder(path: str) -> None:
    """Change to the working directory. Raises `StartFailed` with its path."""
    try:
        os.chdir(path)
    except OSError as error:
        raise StartFailed(f'working directory "{path}": {error.strerror}') from error


def report_failure(fd: int, code: int, message: str) -> None:
    """Send the shim the reason of a failed start."""
    with contextlib.suppress(OSError):
        os.write(fd, json.dumps({"code": code, "reason": "StartError", "message": message}).encode())


def drain_pipe(fd: int) -> None:
    """Read a non-blocking pipe until it is empty."""
    with contextlib.suppress(BlockingIOError):
        while os.read(fd, READ_BYTES):
            pass


def write_json(path: str, value: dict[str, Any]) -> None:
    """Write a file by atomic rename."""
    part = path + ".part"
    with open(part, "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.replace(part, path)


def reserve_space(path: str) -> None:
    """Allocate the space of a short file that must be writable later, even if the disk is full then."""
    with open(path + ".part", "wb") as file:
        file.write(b" " * RESERVED_BYTES)


def write_reserved(path: str, value: dict[str, Any]) -> None:
    """Write a file by atomic rename, into the space allocated by `reserve_space`."""
    part = path + ".part"
    fd = os.open(part, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        data = json.dumps(value).encode()
        os.write(fd, data.ljust(RESERVED_BYTES))
    finally:
        os.close(fd)
    os.replace(part, path)


def _ignore(*_: Any) -> None:
    """Handle a signal without action, so that it is written to the wake-up pipe."""


def main() -> None:
    """Run ``shim.py FOLDER LOCK READY``; the lock's descriptor is only kept open."""
    folder, _lock, ready = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    os.set_inheritable(_lock, False)
    os.set_inheritable(ready, False)
    os.chdir("/")
    run(folder, ready, PreforkedProgram(exec_program))


if __name__ == "__main__":
    main()
