"""Magics that a job runs as the notebook does: timing, capturing output, setting variables, writing files.

`shell` calls these with the frame of the command. Code runs in the namespace of that frame, under the cell's file name
and line numbers.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import getopt
import io
import os
import re
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final


class PlainOutput:
    """A displayed value as plain text, the only format that a job has."""

    def __init__(self, text: str) -> None:
        self.data = {"text/plain": text}
        self.metadata: dict[str, Any] = {}

    def display(self) -> None:
        """Print the text."""
        print(self.data["text/plain"])


class CapturedOutput:
    """The captured output of ``%%capture``; it is unpickled as IPython's own class in the notebook."""

    def __init__(self) -> None:
        self.stdout = ""
        self.stderr = ""
        self.outputs: list[PlainOutput] = []

    def show(self) -> None:
        """Write the captured output."""
        sys.stdout.write(self.stdout)
        sys.stderr.write(self.stderr)
        for output in self.outputs:
            output.display()

    __call__ = show

    def __str__(self) -> str:
        return self.stdout

    def __reduce__(self) -> tuple[Any, ...]:
        return captured_output, (self.stdout, self.stderr, [output.data["text/plain"] for output in self.outputs])


def captured_output(stdout: str, stderr: str, outputs: list[str]) -> Any:
    """Return captured output as IPython's own class where IPython is installed."""
    try:
        from IPython.utils.capture import CapturedIO
    except ImportError:
        output = CapturedOutput()
        output.stdout, output.stderr, output.outputs = stdout, stderr, [PlainOutput(text) for text in outputs]
        return output
    return CapturedIO(io.StringIO(stdout), io.StringIO(stderr), [{"data": {"text/plain": text}} for text in outputs])


captured_output.__module__ = "jupyter_trainjob.worker.notebook.notebook_magics"

_DISPLAY_HOOKS: list[Callable[[object], object]] = []
"""Receivers of displayed values; that of the innermost ``%%capture`` is the last."""


def show_value(value: object) -> None:
    """Show a value, as `display` and the end of a cell do."""
    if _DISPLAY_HOOKS:
        _DISPLAY_HOOKS[-1](value)
    else:
        print(repr(value))


def visible_names(frame: FrameType) -> dict[str, Any]:
    """Return the variables that are visible to the code of a frame."""
    return {**frame.f_globals, **frame.f_locals}


_FEATURES: Final = sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)


def _execute(text: str, frame: FrameType, *, offset: int) -> Any:
    """Run code in a frame of the cell, `offset` lines below its start; return the value of its last expression."""
    filename = frame.f_code.co_filename
    tree = ast.parse(text, filename)
    ast.increment_lineno(tree, offset)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    flags = frame.f_code.co_flags & _FEATURES
    body = compile(tree, filename, "exec", flags, dont_inherit=True)
    expression = None
    if isinstance(last, ast.Expr):
        expression = compile(ast.Expression(last.value), filename, "eval", flags, dont_inherit=True)
    exec(body, frame.f_globals, frame.f_locals)  # noqa: S102 - it is the cell
    return eval(expression, frame.f_globals, frame.f_locals) if expression else None  # noqa: S307


NO_RAISE_ERROR: Final = re.compile(r"\s*--no-raise-error(?:\s+|$)")
"""Option before the code of ``%time``, or after ``%%time``: an exception ends only the code."""


def run_timed(text: str, frame: FrameType, *, offset: int, raises: bool = True) -> Any:
    """Run code, print its duration, and return the value of its last expression; None if it fails and not `raises`."""
    wall, before = time.perf_counter(), os.times()
    try:
        return _execute(text, frame, offset=offset)
    except Exception:
        if raises:
            raise
        return None
    finally:
        wall, after = time.perf_counter() - wall, os.times()
        user, system = after.user - before.user, after.system - before.system
        print(
            f"CPU times: user {_format_seconds(user)}, sys: {_format_seconds(system)}, "
            f"total: {_format_seconds(user + system)}"
        )
        print(f"Wall time: {_format_seconds(wall)}")


def timeit(line: str, body: str, frame: FrameType) -> None:
    """Run code repeatedly, and print the duration of one run."""
    import statistics
    from timeit import Timer

    numbers = {"n": 0, "r": 7}
    quiet = False
    while option := re.match(r"\s*-([nr])\s*(\d+)\s+|\s*-([qotcp])\S*\s+", f"{line} "):
        if option[1]:
            numbers[option[1]] = int(option[2])
        quiet = quiet or option[3] == "q"
        line = line[option.end() :]
    code, setup = (body, line.strip() or "pass") if body else (line.strip(), "pass")
    timer = Timer(code, setup, globals=visible_names(frame))
    loops = numbers["n"] or timer.autorange()[0]
    runs = [seconds / loops for seconds in timer.repeat(numbers["r"], loops)]
    if not quiet:
        mean, spread = statistics.fmean(runs), statistics.pstdev(runs)
        print(
            f"{_format_seconds(mean)} ± {_format_seconds(spread)} per loop "
            f"(mean ± std. dev. of {len(runs)} runs, {loops:,} loops each)"
        )


def run_captured(line: str, body: str, frame: FrameType) -> None:
    """Run code, and assign its output to the name in `line`."""
    words = shlex.split(line)
    captured = CapturedOutput()
    out, err, stdout = io.StringIO(), io.StringIO(), sys.stdout

    def show_on_stdout(value: object) -> None:
        print(repr(value), file=stdout)

    _DISPLAY_HOOKS.append(
        show_on_stdout if "--no-display" in words else lambda value: captured.outputs.append(PlainOutput(repr(value)))
    )
    try:
        with contextlib.ExitStack() as stack:
            if "--no-stdout" not in words:
                stack.enter_context(contextlib.redirect_stdout(out))
            if "--no-stderr" not in words:
                stack.enter_context(contextlib.redirect_stderr(err))
            value = _execute(body, frame, offset=frame.f_lineno)
            if value is not None:
                show_value(value)
    finally:
        _DISPLAY_HOOKS.pop()
        captured.stdout, captured.stderr = out.getvalue(), err.getvalue()
        for name in [word for word in words if not word.startswith("-")][:1]:
            frame.f_globals[name] = captured


_VISITED_FOLDERS: list[Path] = []
"""Working folders so far, the newest last."""


def cd(line: str) -> None:
    """Change the working folder, and print it. A failure is only printed, as in the notebook."""
    flags, words = getopt.getopt(shlex.split(line), "q")
    if not _VISITED_FOLDERS:
        _VISITED_FOLDERS.append(Path.cwd())
    if words == ["-"] and len(_VISITED_FOLDERS) < 2:
        raise ValueError("%cd -: there is no previous working folder. Name the folder.")
    folder = _VISITED_FOLDERS[-2] if words == ["-"] else Path(" ".join(words) or "~").expanduser()
    try:
        os.chdir(folder)
    except OSError as error:
        print(error)
    else:
        _VISITED_FOLDERS.append(Path.cwd())
    if not flags:
        print(_VISITED_FOLDERS[-1])


def env(line: str) -> Any:
    """Set an environment variable, or return one or all."""
    text = line.strip()
    name, equals, value = text.partition("=")
    if not equals:
        name, space, value = text.partition(" ")
        if not space:
            return os.environ[name] if name else dict(os.environ)
    os.environ[name.strip()] = value.strip()
    print(f"env: {name.strip()}={value.strip()}")
    return None


def write_file(line: str, body: str) -> None:
    """Write `body` to the file in `line`, or append it with ``-a``."""
    words = shlex.split(line)
    append = any(word in ("-a", "--append") for word in words)
    (path,) = [Path(word).expanduser() for word in words if not word.startswith("-")]
    exists = path.exists()
    with path.open("a" if append else "w", encoding="utf-8") as file:
        file.write(body)
    print(f"{'Appending to' if append else 'Overwriting' if exists else 'Writing'} {path}")


def _format_seconds(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("μs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
