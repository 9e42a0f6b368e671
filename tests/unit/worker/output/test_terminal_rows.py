from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import textwrap

import pytest

from jupyter_trainjob.worker.output.output_streams import LogStream
from jupyter_trainjob.worker.output.terminal_rows import Screen, collapse_carriage_returns, parse_row_update


class Log:
    """The output of a stream, with a clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.raw = _Pipe()
        self.stream = LogStream(self.raw, clock=lambda: self.now)

    def write(self, *texts: str, every: float = 0.0) -> Log:
        for text in texts:
            self.stream.write(text.encode())
            self.stream.flush()
            self.now += every
        return self

    def lines(self) -> list[str]:
        """Return the lines of the log; of one that names a row its number: ``~1 text``."""
        text = b"".join(self.raw.writes).decode()
        return re.sub(r"([~=])[0-9a-f]{6}\.(\d+)\r", r"\1\2 ", text).splitlines()

    def read(self) -> list[str]:
        """Return the rows that a terminal shows at the end."""
        rows: dict[str, str] = {}
        for number, line in enumerate(b"".join(self.raw.writes).split(b"\n")[:-1]):
            row = parse_row_update(line)
            name = row.row if row else str(number)
            rows.pop(name, None)
            rows[name] = (row.text if row else line).decode()
        return [text for text in rows.values() if text]


class _Pipe(io.RawIOBase):
    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.writes.append(bytes(data))  # type: ignore[call-overload]
        return len(self.writes[-1])


BAR = [f"\r{n * 10:3}%|{'█' * n:10}| {n}/10" for n in range(11)]

SEEN = {
    "ordinary text is unchanged": (["a\n", "b", "c\n", "\n"], ["a", "bc"]),
    "line ends of Windows are line ends": (["a\r\nb\r\n"], ["a\r", "b\r"]),
    "a bar is one line, its last state": ([*BAR, "\n"], ["100%|██████████| 10/10"]),
    "a bar with following text": ([*BAR, "\n", "done\n"], ["100%|██████████| 10/10", "done"]),
    "text printed during a bar is a separate line": (
        [*BAR[:4], "note\n", *BAR[4:], "\n"],
        ["note", "100%|██████████| 10/10"],
    ),
    "lines that go back at their end": (["1 of 2\r", "2 of 2\r", "done\n"], ["done 2"]),
    "a shorter text leaves the rest of a longer one, as on a terminal": (["\rlong text", "\rno", "\n"], ["nong text"]),
    "unless the line is cleared": (["\rlong text", "\r\x1b[Kno", "\n", "\rlong\x1b[2K\rx\n"], ["no", "x"]),
    "colours are no text to be left over": (["\r\x1b[31m12%\x1b[0m", "\r\x1b[32m9%\x1b[0m\n"], ["\x1b[32m9%\x1b[0m"]),
    "a cleared bar is removed": ([*BAR, "\r" + " " * 30 + "\r", "done\n"], ["done"]),
    "bars below each other": (
        [
            "\router 0/2",
            "\n\rinner 1/9\x1b[A",
            "\router 1/2",
            "\n\rinner 9/9\x1b[A",
            "\router 2/2",
            "\n",
            "\n",
            "end\n",
        ],
        ["inner 9/9", "outer 2/2", "end"],
    ),
    "a message above a bar": (
        [BAR[1], "\r" + " " * 30 + "\r", "message\n", *BAR[2:4], "\n"],
        ["message", " 30%|███       | 3/10"],
    ),
    "text before a bar is a line": (["begun", *BAR, "\n"], ["begun", "100%|██████████| 10/10"]),
    "lines between two bars": (
        [*BAR, "\n", "a\n", "b\n", *BAR, "\n"],
        ["100%|██████████| 10/10", "a", "b", "100%|██████████| 10/10"],
    ),
    "no more rows are kept than a screen has": ([f"\rrow {n}\n" for n in range(40)], [f"row {n}" for n in range(40)]),
}


@pytest.mark.parametrize(("texts", "expected"), SEEN.values(), ids=SEEN)
@pytest.mark.parametrize("every", [0.0, 0.4, 2.0])
def test_final_rows(texts: list[str], expected: list[str], every: float) -> None:
    log = Log().write(*texts, every=every)
    log.stream.finish()
    assert log.read() == expected


def test_changed_row_is_written_at_once_then_once_a_second() -> None:
    log = Log().write(*BAR, every=0.25)
    assert [line[:6] for line in log.lines()] == ["~1   0", "~1  40", "~1  80"]
    log.write("\n")
    assert log.lines()[-1] == "=1 100%|██████████| 10/10"


def test_pulse_writes_the_last_state_before_a_pause() -> None:
    read, write = os.pipe()
    now = 100.0
    stream = LogStream(io.FileIO(write, "wb"), clock=lambda: now)
    stream.write(b"\r10%")
    stream.write(b"\r20%")
    stream.write_due_rows()
    now += 1.1
    stream.write_due_rows()
    stream.write_due_rows()
    assert [row.text for line in os.read(read, 4096).split(b"\n") if (row := parse_row_update(line))] == [
        b"10%",
        b"20%",
    ]
    stream.close()
    os.close(read)


def test_full_pipe_does_not_block_the_pulse() -> None:
    read, write = os.pipe()
    now = 100.0
    stream = LogStream(io.FileIO(write, "wb"), clock=lambda: now)
    stream.write(b"\r10%")
    stream.write(b"\r20%")
    os.set_blocking(write, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(write, b"x" * 4096):
            pass
    os.set_blocking(write, True)
    now += 2
    stream.write_due_rows()
    full = os.read(read, 2**20)
    stream.write_due_rows()
    assert b"20%" not in full
    assert b"20%" in os.read(read, 4096)
    stream.close()
    os.close(read)


def test_row_is_written_atomically_to_a_pipe() -> None:
    log = Log().write("\r" + "█" * 100_000, "\n")
    assert all(len(write) <= 4096 for write in log.raw.writes)


def test_print_during_a_write_is_kept() -> None:
    log = Log()

    def interrupted() -> float:
        if not log.raw.writes:
            log.stream.write(b"from a finalizer\n")
            log.stream.flush()
        return 100.0

    log.stream._clock = interrupted
    log.write("\r10%")
    assert log.lines() == ["from a finalizer", "~1 10%"]


def test_forked_child_does_not_continue_its_parents_rows() -> None:
    program = """
        import os, sys
        from jupyter_trainjob.worker.output import output_streams
        output_streams.install()
        print("\\r10%", end="")
        if os.fork() == 0:
            print("\\rof the child", end="")
            output_streams.finish()
            os._exit(0)
        os.wait()
        print("\\r20%")
        print("plain", flush=True)
        output_streams.finish()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, check=True)
    rows = [parse_row_update(line) for line in done.stdout.split(b"\n")[:-1]]
    assert [row and row.text for row in rows] == [b"10%", b"of the child", b"of the child", b"20%", None]
    first, child, parents_row_in_child, last, _ = rows
    assert first is not None and child is not None and parents_row_in_child is not None and last is not None  # noqa: PT018
    assert (first.row, child.row) == (last.row, parents_row_in_child.row)
    assert first.row != child.row


def test_streams_have_the_expected_attributes() -> None:
    program = """
        import sys
        from jupyter_trainjob.worker.output import output_streams
        output_streams.install()
        assert (sys.stdout.fileno(), sys.stderr.fileno(), sys.stdout.isatty()) == (1, 2, False)
        assert (sys.stdout.name, sys.stdout.encoding, sys.__stderr__) == ("<stdout>", "utf-8", sys.stderr)
        sys.stdout.buffer.write(bytearray(b"bytes\\n"))
        sys.stdout.write("lone \\udc80\\n")
        sys.stdout.reconfigure(line_buffering=False)
        print("text")
        print("error", file=sys.stderr)
        output_streams.finish()
    """
    done = subprocess.run([sys.executable, "-Xutf8", "-c", textwrap.dedent(program)], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"bytes\nlone \\udc80\ntext\n", b"error\n")


LINES = {
    "a line without a way back": ("abc", "abc"),
    "the last text counts": ("10%\r20%\r100%", "100%"),
    "the rest of a longer row stays": ("abcdef\rxy", "xycdef"),
    "a cursor movement at the end has no effect": ("abc\r", "abc"),
    "spaces that cleared something go": ("abc\r   ", ""),
}


@pytest.mark.parametrize(("text", "expected"), LINES.values(), ids=LINES)
def test_collapse_carriage_returns(text: str, expected: str) -> None:
    assert collapse_carriage_returns(text) == expected


@pytest.mark.parametrize("line", [b"", b"~", b"~text", b"~abcdef.1 text", b"=x.1\rtext", b"~abcdef.1"])
def test_invalid_row_update_is_not_parsed(line: bytes) -> None:
    assert parse_row_update(line) is None


def test_unchanged_rows_are_not_written_again() -> None:
    screen = Screen()
    first = screen.feed("\rx", 1.0)
    assert screen.feed("\rx", 5.0) == ""
    assert screen.feed("\n", 9.0) == first.replace("~", "=")
    assert screen.close() == ""


def test_cleared_row_is_kept_until_it_is_written_again() -> None:
    log = Log().write(BAR[1])
    log.now += 5
    log.write("\r" + " " * 30 + "\r", BAR[2])
    assert [line[:6] for line in log.lines()] == ["~1  10", "~1  20"]
    log.write("\r" + " " * 30 + "\r")
    log.now += 5
    assert parse_row_update(log.stream._screen.due_lines(log.now).encode().rstrip(b"\n")) is not None, (
        "one that stays so does"
    )
