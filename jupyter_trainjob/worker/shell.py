"""The notebook's commands in a job, where there is no IPython: ``%time``, ``!ls``, ``%%bash`` and the like.

``get_ipython()`` of a cell, and of the notebook's functions that came with it, returns a `Shell`, which does what
IPython would do with each command. `bundle.syntax` refuses those that it does not know before they are sent.
"""

from __future__ import annotations

import io
import re
import shlex
import string
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import IO, Any, Final, NoReturn, cast

from . import magics, scripts

CODE: Final = frozenset({"time", "timeit", "capture"})
"""Magics whose text is Python."""
SILENT: Final = frozenset(
    {"matplotlib", "load_ext", "reload_ext", "unload_ext", "autoreload", "config", "xmode", "precision"}
)
"""Magics that only concern the notebook: a job passes over them."""
LINE: Final = (
    frozenset(
        {"time", "timeit", "env", "set_env", "cd", "pwd", "sx", "system", "ls", "mkdir", "rm", "cp", "mv", "cat", "pip"}
    )
    | SILENT
)
CELL: Final = (
    frozenset({"time", "timeit", "capture", "script", "sx", "system", "writefile", "file"}) | scripts.PROGRAMS | SILENT
)
DOLLAR: Final = re.compile(r"\$(\$?[\w.]+)(?=(?:[^']*'[^']*')*[^']*\Z)")
"""A name after a dollar sign, outside of single quotes; two dollar signs are one."""


def get_ipython() -> Shell:
    """Return what stands in for the notebook's shell."""
    return _SHELL


def display(*values: Any, **_options: Any) -> None:
    """Print values as the notebook shows them in plain text."""
    for value in values:
        magics.show(value)


def no_input(prompt: object = "") -> NoReturn:
    """Stand in for `input`."""
    raise RuntimeError(
        f"input({prompt!r}): a job has nobody to ask. Give the value to a variable before the cell, and use that."
    )


class Shell:
    """As much of IPython's shell as the commands in a cell need."""

    @property
    def user_ns(self) -> dict[str, Any]:
        """Return the names of the job's program."""
        return vars(sys.modules["__main__"])

    def system(self, command: str) -> None:
        """Run a shell command; its output is the job's."""
        self._system(command, _caller())

    def getoutput(self, command: str, split: bool = True) -> Any:  # noqa: ARG002 - IPython's signature
        """Run a shell command and return the lines that it wrote."""
        kept = io.StringIO()
        self._system(command, _caller(), kept.write)
        return Lines(kept.getvalue().splitlines())

    getoutputs = getoutput

    def run_line_magic(self, name: str, line: str, *_: object) -> Any:
        """Carry out ``%name line``."""
        frame = _caller()
        if name in SILENT:
            return None
        if name == "time":
            code = magics.QUIETLY.sub("", line, count=1)
            return magics.timed(code, frame, offset=frame.f_lineno - 1, raises=code == line)
        if name == "timeit":
            return magics.timeit(line, "", frame)
        line = expanded(line, magics.names(frame))
        if name in ("env", "set_env"):
            return magics.env(line)
        if name == "cd":
            return magics.cd(line)
        if name == "pwd":
            return str(Path.cwd())
        if name in ("sx", "system"):
            return self.getoutput(line)
        if name == "pip":
            return self._system(f"{shlex.quote(sys.executable)} -m pip {line}", frame)
        if name in LINE:
            return self._system(f"{name} {line}", frame)
        return _unknown(f"%{name}")

    def run_cell_magic(self, name: str, line: str, body: str) -> Any:
        """Carry out ``%%name line`` with the lines below it."""
        frame = _caller()
        if name in SILENT:
            return None
        if name == "time":
            return magics.timed(body, frame, offset=frame.f_lineno, raises=not magics.QUIETLY.match(line))
        if name == "timeit":
            return magics.timeit(line, body, frame)
        if name == "capture":
            return magics.capture(line, body, frame)
        line = expanded(line, magics.names(frame))
        if name == "script" or name in scripts.PROGRAMS:
            return scripts.run(name, line, body, frame.f_globals)
        if name in ("sx", "system"):
            return self.getoutput(body)
        if name in ("writefile", "file"):
            return magics.write(line, body)
        return _unknown(f"%%{name}")

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"get_ipython().{name}: a job has no IPython, only %time, !commands and the like. Do this in the notebook.",
            name=name,
        )

    def _system(self, command: str, frame: FrameType, write: Callable[[str], object] | None = None) -> None:
        code = _run([_bash(), "-c", expanded(command, magics.names(frame))], write)
        frame.f_globals["_exit_code"] = code


_SHELL: Final = Shell()


class Lines(list[str]):
    """What a command wrote, line by line; in the notebook it is IPython's own such list."""

    @property
    def n(self) -> str:
        """Return the lines as one text."""
        return "\n".join(self)

    nlstr = n

    @property
    def s(self) -> str:
        """Return the lines with spaces between."""
        return " ".join(self)

    spstr = s

    @property
    def l(self) -> list[str]:  # noqa: E743 - IPython's name
        """Return the lines."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return lines, ([*self],)


def lines(texts: list[str]) -> Any:
    """Return the lines of a command as the notebook has them, where there is IPython."""
    try:
        from IPython.utils.text import SList
    except ImportError:
        return Lines(texts)
    return SList(texts)


lines.__module__ = "jupyter_trainjob.worker.shell"


def expanded(text: str, names: dict[str, Any]) -> str:
    """Return a command with ``{expressions}`` and ``$names`` replaced; as it is where Python cannot."""
    try:
        return "".join(_pieces(text, names))
    except Exception:  # noqa: BLE001 - then braces and dollar signs are the shell's
        return text


_CONVERSIONS: Final[dict[str | None, Callable[[Any], Any]]] = {
    None: lambda value: value,
    "r": repr,
    "s": str,
    "a": ascii,
}


def _pieces(text: str, names: dict[str, Any]) -> Iterator[str]:
    def value(match: re.Match[str]) -> str:
        word = match[1]
        return word if word.startswith("$") else str(eval(word, {}, names))  # noqa: S307 - a name of the cell

    for literal, field, spec, conversion in string.Formatter().parse(text):
        yield DOLLAR.sub(value, literal)
        if field is not None:
            found = eval(field, dict(names))  # noqa: S307 - the cell's own expression
            found = _CONVERSIONS[conversion](found)
            if spec:  # IPython leaves such a text alone as well.
                raise ValueError(f"no formats in commands: {spec}")
            yield str(found)


def _caller() -> FrameType:
    """Return the frame of the code in which a command stands."""
    frame = sys._getframe(1)  # noqa: SLF001 - as IPython finds its caller
    while frame.f_code.co_filename == _OWN and frame.f_back is not None:
        frame = frame.f_back
    return frame


_OWN: Final = _caller.__code__.co_filename


def _bash() -> str:
    import shutil

    return shutil.which("bash") or "sh"


def _run(command: list[str], write: Callable[[str], object] | None) -> int:
    """Run a program; hand on what it writes as it comes. Returns its exit code, negative for a signal.

    With `write`, all is wanted that comes, also from what the program leaves behind in the background.
    """
    import subprocess

    sys.stdout.flush()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
    pipe = cast("IO[bytes]", process.stdout)
    if write is not None:
        with process:
            scripts.hand_on(pipe, write)
    else:
        scripts.hand_on_while(process, pipe, scripts.writer(sys.stdout))
    code = process.returncode
    return code if code <= 128 else 128 - code


def _unknown(typed: str) -> NoReturn:
    raise NotImplementedError(f"{typed} is a command for the notebook that a job does not have. Run it there.")
