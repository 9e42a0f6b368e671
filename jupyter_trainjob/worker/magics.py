"""What the notebook's own magics do in a job: time code, keep its output, set a variable, write a file.

Comes from `shell`, which knows where in the cell a command stands. Code runs in the names of that place, and under the
cell's own name and lines.
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


class Output:
    """A value that was shown, in plain text, which is all that a job has of it."""

    def __init__(self, text: str) -> None:
        self.data = {"text/plain": text}
        self.metadata: dict[str, Any] = {}

    def display(self) -> None:
        """Show it after all."""
        print(self.data["text/plain"])


class Captured:
    """What ``%%capture`` kept; in the notebook it is IPython's own such object."""

    def __init__(self) -> None:
        self.stdout = ""
        self.stderr = ""
        self.outputs: list[Output] = []

    def show(self) -> None:
        """Write it after all."""
        sys.stdout.write(self.stdout)
        sys.stderr.write(self.stderr)
        for output in self.outputs:
            output.display()

    __call__ = show

    def __str__(self) -> str:
        return self.stdout

    def __reduce__(self) -> tuple[Any, ...]:
        return captured, (self.stdout, self.stderr, [output.data["text/plain"] for output in self.outputs])


def captured(stdout: str, stderr: str, outputs: list[str]) -> Any:
    """Return what ``%%capture`` kept as the notebook has it, where there is IPython."""
    try:
        from IPython.utils.capture import CapturedIO
    except ImportError:
        kept = Captured()
        kept.stdout, kept.stderr, kept.outputs = stdout, stderr, [Output(text) for text in outputs]
        return kept
    return CapturedIO(io.StringIO(stdout), io.StringIO(stderr), [{"data": {"text/plain": text}} for text in outputs])


captured.__module__ = "jupyter_trainjob.worker.magics"

_SHOWN: list[Callable[[object], object]] = []
"""Where values go that are shown; the innermost ``%%capture`` is the last."""


def show(value: object) -> None:
    """Show a value, as `display` and the end of a cell do."""
    if _SHOWN:
        _SHOWN[-1](value)
    else:
        print(repr(value))


def names(frame: FrameType) -> dict[str, Any]:
    """Return what the code of a frame can name."""
    return {**frame.f_globals, **frame.f_locals}


_FEATURES: Final = sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)


def _execute(text: str, frame: FrameType, *, offset: int) -> Any:
    """Run code of the cell where it stands; return the value of its last expression. `offset`: lines before it."""
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


QUIETLY: Final = re.compile(r"\s*--no-raise-error(?:\s+|$)")
"""Before the code of ``%time``, or behind ``%%time``: an exception ends the code, and nothing else."""


def timed(text: str, frame: FrameType, *, offset: int, raises: bool = True) -> Any:
    """Run code, and print how long it took; return the value of its last expression."""
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
        print(f"CPU times: user {_span(user)}, sys: {_span(system)}, total: {_span(user + system)}")
        print(f"Wall time: {_span(wall)}")


def timeit(line: str, body: str, frame: FrameType) -> None:
    """Run code many times, and print how long it takes."""
    import statistics
    from timeit import Timer

    numbers = {"n": 0, "r": 7}
    quiet = False
    while found := re.match(r"\s*-([nr])\s*(\d+)\s+|\s*-([qotcp])\S*\s+", f"{line} "):
        if found[1]:
            numbers[found[1]] = int(found[2])
        quiet = quiet or found[3] == "q"
        line = line[found.end() :]
    code, setup = (body, line.strip() or "pass") if body else (line.strip(), "pass")
    timer = Timer(code, setup, globals=names(frame))
    loops = numbers["n"] or timer.autorange()[0]
    runs = [taken / loops for taken in timer.repeat(numbers["r"], loops)]
    if not quiet:
        mean, spread = statistics.fmean(runs), statistics.pstdev(runs)
        print(f"{_span(mean)} ± {_span(spread)} per loop (mean ± std. dev. of {len(runs)} runs, {loops:,} loops each)")


def capture(line: str, body: str, frame: FrameType) -> None:
    """Run code, and keep what it writes under the name in `line`."""
    words = shlex.split(line)
    kept = Captured()
    out, err, screen = io.StringIO(), io.StringIO(), sys.stdout

    def show_beside(value: object) -> None:
        print(repr(value), file=screen)

    _SHOWN.append(show_beside if "--no-display" in words else lambda value: kept.outputs.append(Output(repr(value))))
    try:
        with contextlib.ExitStack() as stack:
            if "--no-stdout" not in words:
                stack.enter_context(contextlib.redirect_stdout(out))
            if "--no-stderr" not in words:
                stack.enter_context(contextlib.redirect_stderr(err))
            value = _execute(body, frame, offset=frame.f_lineno)
            if value is not None:
                show(value)
    finally:
        _SHOWN.pop()
        kept.stdout, kept.stderr = out.getvalue(), err.getvalue()
        for name in [word for word in words if not word.startswith("-")][:1]:
            frame.f_globals[name] = kept


_FOLDERS: list[Path] = []
"""Where the job was, the newest last."""


def cd(line: str) -> None:
    """Change the working folder, and print it. Where that fails, say so and go on, as the notebook does."""
    flags, words = getopt.getopt(shlex.split(line), "q")
    if not _FOLDERS:
        _FOLDERS.append(Path.cwd())
    if words == ["-"] and len(_FOLDERS) < 2:
        raise ValueError("%cd -: the job has been in no folder before this one. Name the folder.")
    folder = _FOLDERS[-2] if words == ["-"] else Path(" ".join(words) or "~").expanduser()
    try:
        os.chdir(folder)
    except OSError as error:
        print(error)
    else:
        _FOLDERS.append(Path.cwd())
    if not flags:
        print(_FOLDERS[-1])


def env(line: str) -> Any:
    """Set an environment variable, or return one, or all."""
    text = line.strip()
    name, equals, value = text.partition("=")
    if not equals:
        name, space, value = text.partition(" ")
        if not space:
            return os.environ[name] if name else dict(os.environ)
    os.environ[name.strip()] = value.strip()
    print(f"env: {name.strip()}={value.strip()}")
    return None


def write(line: str, body: str) -> None:
    """Write a file."""
    words = shlex.split(line)
    append = any(word in ("-a", "--append") for word in words)
    (path,) = [Path(word).expanduser() for word in words if not word.startswith("-")]
    there = path.exists()
    with path.open("a" if append else "w", encoding="utf-8") as file:
        file.write(body)
    print(f"{'Appending to' if append else 'Overwriting' if there else 'Writing'} {path}")


def _span(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("μs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
