"""``%%bash --out lines``: the lines of a cell as the input of a program, as in the notebook.

Comes from `shell`; `bundle.syntax` reads the same options before a cell is sent. What the program writes goes where the
cell's own output goes, as it comes, or under the names that the options give.
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
"""Names of ``%%script`` with a program."""


class Options(NamedTuple):
    """What stands behind ``%%script``."""

    command: tuple[str, ...]
    out: str | None = None
    err: str | None = None
    raises: bool = True
    behind: bool = False
    """Whether the program is to run on while the notebook does other things."""


def options(name: str, line: str) -> Options:
    """Return what ``%%name line`` asks for; ValueError if that is wrong."""
    import argparse  # Late: few cells need it.

    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("--out")
    parser.add_argument("--err")
    parser.add_argument("--bg", action="store_true")
    parser.add_argument("--proc")
    parser.add_argument("--no-raise-error", action="store_true")
    try:
        found, command = parser.parse_known_args(shlex.split(line))
    except argparse.ArgumentError as error:
        raise ValueError(str(error)) from None
    program = [] if name == "script" else [name]
    if not program + command:
        raise ValueError("no program is named")
    return Options(
        (*program, *command), found.out, found.err, not found.no_raise_error, found.bg or found.proc is not None
    )


def run(name: str, line: str, body: str, names: dict[str, Any]) -> None:
    """Run a program over `body`. Raises CalledProcessError where it fails, FileNotFoundError where there is none."""
    import subprocess
    import threading

    asked = options(name, line)
    for kept in (asked.out, asked.err):
        if kept:
            names[kept] = ""
    text = (body if body.endswith("\n") else f"{body}\n").encode("utf-8", "replace")
    sys.stdout.flush()
    pipe = subprocess.PIPE
    with subprocess.Popen(asked.command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0) as process:
        readers = [
            threading.Thread(target=hand_on, args=(source, _keeper(kept, names) if kept else writer(stream)))
            for source, kept, stream in (
                (process.stdout, asked.out, sys.stdout),
                (process.stderr, asked.err, sys.stderr),
            )
        ]
        for reader in readers:
            reader.start()
        _feed(process.stdin, text)
        for reader in readers:
            reader.join()
    if process.returncode and asked.raises:
        raise subprocess.CalledProcessError(process.returncode, text)


def _feed(pipe: IO[bytes] | None, text: bytes) -> None:
    if pipe is not None:
        try:
            with pipe:
                pipe.write(text)
        except BrokenPipeError:  # It ended before it had read all.
            return


def hand_on(pipe: IO[bytes], write: Callable[[str], object]) -> None:
    """Write what comes out of a program, as it comes."""
    import codecs

    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while data := pipe.read(2**16):
        write(decoder.decode(data))
    write(decoder.decode(b"", final=True))


def hand_on_while(process: Popen[bytes], pipe: IO[bytes], write: Callable[[str], object]) -> None:
    """Write what comes out of a program, as it comes, until it ends.

    What it left in the background keeps nobody waiting: a thread goes on writing what comes out of that.
    """
    import codecs
    import select
    import threading

    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    ended, ends = os.pipe()

    def wait() -> None:
        process.wait()
        os.close(ends)

    def to_the_end() -> None:
        with pipe:
            while data := pipe.read(2**16):
                write(decode(data))

    threading.Thread(target=wait, daemon=True).start()
    poll = select.poll()
    for each in (pipe.fileno(), ended):
        poll.register(each, select.POLLIN)
    try:
        while True:
            over = any(file == ended for file, _ in poll.poll())
            # A pipe holds no more than this: once the program has ended, one look gets all that is its own.
            if any(file != ended for file, _ in poll.poll(0)):
                data = pipe.read(2**16)
                write(decode(data, final=not data))
                if not data:
                    pipe.close()
                    process.wait()
                    return
            if over:
                break
    finally:
        os.close(ended)
    threading.Thread(target=to_the_end, daemon=True).start()


def writer(stream: Any) -> Callable[[str], object]:
    """Return what writes texts to a stream at once."""

    def write(text: str) -> None:
        if text:
            stream.write(text)
            stream.flush()

    return write


def _keeper(name: str, names: dict[str, Any]) -> Callable[[str], object]:
    def keep(text: str) -> None:
        names[name] += text

    return keep
