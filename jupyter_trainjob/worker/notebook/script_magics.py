"""Run ``%%bash`` and its like: the lines of a cell as the input of a program.

Called by `shell`; `bundle.analysis.ipython_syntax` parses the same options before a cell is sent. The output of the
program is written to the cell's own streams as it arrives, or assigned to the variables that the options name.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from subprocess import Popen

PROGRAMS: Final = frozenset({"bash", "sh", "python", "python3", "perl", "ruby"})
"""Cell magics that are ``%%script`` with a program."""


class ScriptOptions(NamedTuple):
    """The parsed line of ``%%script``."""

    command: tuple[str, ...]
    out: str | None = None
    err: str | None = None
    raises: bool = True
    behind: bool = False
    """Whether the program runs in the background."""


def parse_options(name: str, line: str) -> ScriptOptions:
    """Parse the line of ``%%name line``; ValueError if it is invalid."""
    import argparse  # Late: few cells need it.

    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("--out")
    parser.add_argument("--err")
    parser.add_argument("--bg", action="store_true")
    parser.add_argument("--proc")
    parser.add_argument("--no-raise-error", action="store_true")
    try:
        namespace, command = parser.parse_known_args(shlex.split(line))
    except argparse.ArgumentError as error:
        raise ValueError(str(error)) from None
    program = [] if name == "script" else [name]
    if not program + command:
        raise ValueError("no program is named")
    return ScriptOptions(
        (*program, *command),
        namespace.out,
        namespace.err,
        not namespace.no_raise_error,
        namespace.bg or namespace.proc is not None,
    )


def run_script(name: str, line: str, body: str, names: dict[str, Any]) -> None:
    """Run a program with `body` as its input. Raises CalledProcessError, or FileNotFoundError if there is none."""
    import subprocess
    import threading

    options = parse_options(name, line)
    for variable in (options.out, options.err):
        if variable:
            names[variable] = ""
    text = (body if body.endswith("\n") else f"{body}\n").encode("utf-8", "replace")
    sys.stdout.flush()
    pipe = subprocess.PIPE
    with subprocess.Popen(options.command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0) as process:
        readers = [
            threading.Thread(
                target=forward_output,
                args=(source, _variable_writer(variable, names) if variable else flushing_writer(stream)),
            )
            for source, variable, stream in (
                (process.stdout, options.out, sys.stdout),
                (process.stderr, options.err, sys.stderr),
            )
        ]
        for reader in readers:
            reader.start()
        _write_input(process.stdin, text)
        for reader in readers:
            reader.join()
    if process.returncode and options.raises:
        raise subprocess.CalledProcessError(process.returncode, text)


def _write_input(pipe: IO[bytes] | None, text: bytes) -> None:
    if pipe is not None:
        try:
            with pipe:
                pipe.write(text)
        except BrokenPipeError:  # The program ended before it had read all.
            return


def forward_output(pipe: IO[bytes], write: Callable[[str], object]) -> None:
    """Write the output of a program as it arrives."""
    import codecs

    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while data := pipe.read(2**16):
        write(decoder.decode(data))
    write(decoder.decode(b"", final=True))


def forward_output_until_exit(process: Popen[bytes], pipe: IO[bytes], write: Callable[[str], object]) -> None:
    """Write the output of a program as it arrives, until the program exits.

    The output of its processes in the background is written by a thread after that.
    """
    import codecs
    import select
    import threading

    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    exit_pipe, exit_signal = os.pipe()

    def wait() -> None:
        process.wait()
        os.close(exit_signal)

    def forward_rest() -> None:
        with pipe:
            while data := pipe.read(2**16):
                write(decode(data))

    threading.Thread(target=wait, daemon=True).start()
    poll = select.poll()
    for fd in (pipe.fileno(), exit_pipe):
        poll.register(fd, select.POLLIN)
    try:
        while True:
            has_exited = any(file == exit_pipe for file, _ in poll.poll())
            # A pipe holds at most this much: once the program has exited, one read returns all of its own output.
            if any(file != exit_pipe for file, _ in poll.poll(0)):
                data = pipe.read(2**16)
                write(decode(data, final=not data))
                if not data:
                    pipe.close()
                    process.wait()
                    return
            if has_exited:
                break
    finally:
        os.close(exit_pipe)
    threading.Thread(target=forward_rest, daemon=True).start()


def flushing_writer(stream: Any) -> Callable[[str], object]:
    """Return a function that writes text to a stream and flushes it."""

    def write(text: str) -> None:
        if text:
            stream.write(text)
            stream.flush()

    return write


def _variable_writer(name: str, names: dict[str, Any]) -> Callable[[str], object]:
    def keep(text: str) -> None:
        names[name] += text

    return keep
