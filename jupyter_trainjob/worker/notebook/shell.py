"""The notebook's commands (``%time``, ``!ls``, ``%%bash``) in a job without IPython.

``get_ipython()`` of a cell, and of the notebook's functions that were sent with it, returns a `Shell`, which does what
IPython does with each command. `bundle.analysis.ipython_syntax` rejects unknown commands before a cell is sent.
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

from . import notebook_magics, script_magics

CODE: Final = frozenset({"time", "timeit", "capture"})
"""Magics that run Python code."""
SILENT: Final = frozenset(
    {"matplotlib", "load_ext", "reload_ext", "unload_ext", "autoreload", "config", "xmode", "precision"}
)
"""Magics that only concern the notebook and are ignored in a job."""
LINE: Final = (
    frozenset(
        {"time", "timeit", "env", "set_env", "cd", "pwd", "sx", "system", "ls", "mkdir", "rm", "cp", "mv", "cat", "pip"}
    )
    | SILENT
)
CELL: Final = (
    frozenset({"time", "timeit", "capture", "script", "sx", "system", "writefile", "file"})
    | script_magics.PROGRAMS
    | SILENT
)
DOLLAR: Final = re.compile(r"\$(\$?[\w.]+)(?=(?:[^']*'[^']*')*[^']*\Z)")
"""A name after a dollar sign, outside of single quotes; two dollar signs stand for one."""


def get_ipython() -> Shell:
    """Return the job's replacement of IPython's shell."""
    return _SHELL


def display(*values: Any, display_id: Any = None, **_options: Any) -> Display | None:
    """Print values as plain text, each on separate lines."""
    for value in values:
        notebook_magics.show_value(value)
    return None if display_id is None else Display()


class Display:
    """The result of ``display(…, display_id=True)``; updates are printed below, as a log cannot change."""

    def display(self, value: Any, **_options: Any) -> None:
        """Print a value."""
        notebook_magics.show_value(value)

    update = display


def notebook_function(name: str) -> Any:
    """Return the function of the notebook that corresponds to a function of this module."""
    function = vars(sys.modules["__main__"]).get(name)
    return globals()[name] if function is None else function


def notebook_shell() -> Any:
    """Return the notebook's shell."""
    return notebook_function("get_ipython")()


def no_input(prompt: object = "") -> NoReturn:
    """Replace `input` by an error."""
    raise RuntimeError(
        f"input({prompt!r}): a job cannot read input. Assign the value to a variable in the notebook, and use that."
    )


def no_password(prompt: object = "Password: ", *_: object, **_options: object) -> NoReturn:
    """Replace `getpass.getpass` by an error."""
    raise RuntimeError(
        f"getpass({prompt!r}): a job cannot read input. Run TOKEN = getpass() in the notebook, and send it "
        f"with --secret TOKEN."
    )


class Shell:
    """The part of IPython's shell that the commands in a cell need."""

    @property
    def user_ns(self) -> dict[str, Any]:
        """Return the global variables of the job's program."""
        return vars(sys.modules["__main__"])

    @property
    def config(self) -> dict[str, Any]:
        """Return an empty configuration, as of a shell outside of Jupyter."""
        return {}

    def system(self, command: str) -> None:
        """Run a shell command; its output is written to the job's."""
        self._system(command, _caller())

    def getoutput(self, command: str, split: bool = True) -> Any:  # noqa: ARG002 - IPython's signature
        """Run a shell command and return the lines of its output."""
        output = io.StringIO()
        self._system(command, _caller(), output.write)
        return CommandLines(output.getvalue().splitlines())

    getoutputs = getoutput

    def run_line_magic(self, name: str, line: str, *_: object) -> Any:
        """Run the line magic ``%name line``."""
        frame = _caller()
        if name in SILENT:
            return None
        if name == "time":
            code = notebook_magics.NO_RAISE_ERROR.sub("", line, count=1)
            return notebook_magics.run_timed(code, frame, offset=frame.f_lineno - 1, raises=code == line)
        if name == "timeit":
            return notebook_magics.timeit(line, "", frame)
        line = expand_command(line, notebook_magics.visible_names(frame))
        if name in ("env", "set_env"):
            return notebook_magics.env(line)
        if name == "cd":
            return notebook_magics.cd(line)
        if name == "pwd":
            return str(Path.cwd())
        if name in ("sx", "system"):
            return self.getoutput(line)
        if name == "pip":
            return self._system(f"{shlex.quote(sys.executable)} -m pip {line}", frame)
        if name in LINE:
            return self._system(f"{name} {line}", frame)
        return _raise_unknown(f"%{name}")

    def run_cell_magic(self, name: str, line: str, body: str) -> Any:
        """Run the cell magic ``%%name line`` with the lines below it."""
        frame = _caller()
        if name in SILENT:
            return None
        if name == "time":
            return notebook_magics.run_timed(
                body, frame, offset=frame.f_lineno, raises=not notebook_magics.NO_RAISE_ERROR.match(line)
            )
        if name == "timeit":
            return notebook_magics.timeit(line, body, frame)
        if name == "capture":
            return notebook_magics.run_captured(line, body, frame)
        line = expand_command(line, notebook_magics.visible_names(frame))
        if name == "script" or name in script_magics.PROGRAMS:
            return script_magics.run_script(name, line, body, frame.f_globals)
        if name in ("sx", "system"):
            return self.getoutput(body)
        if name in ("writefile", "file"):
            return notebook_magics.write_file(line, body)
        return _raise_unknown(f"%%{name}")

    def __reduce__(self) -> tuple[Any, ...]:
        return notebook_shell, ()

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"get_ipython().{name}: a job has no IPython, only %time, !commands and a few more. Use the notebook.",
            name=name,
        )

    def _system(self, command: str, frame: FrameType, write: Callable[[str], object] | None = None) -> None:
        code = _run([_bash(), "-c", expand_command(command, notebook_magics.visible_names(frame))], write)
        frame.f_globals["_exit_code"] = code


_SHELL: Final = Shell()


class CommandLines(list[str]):
    """The output lines of a command; they are unpickled as IPython's own class in the notebook."""

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
        return command_lines, ([*self],)


def command_lines(texts: list[str]) -> Any:
    """Return the output lines of a command as IPython's own class where IPython is installed."""
    try:
        from IPython.utils.text import SList
    except ImportError:
        return CommandLines(texts)
    return SList(texts)


command_lines.__module__ = "jupyter_trainjob.worker.notebook.shell"


def expand_command(text: str, names: dict[str, Any]) -> str:
    """Return a command with ``{expressions}`` and ``$names`` replaced; unchanged if one cannot be evaluated."""
    try:
        return "".join(_expand_pieces(text, names))
    except Exception:  # noqa: BLE001 - then braces and dollar signs are shell syntax
        return text


_CONVERSIONS: Final[dict[str | None, Callable[[Any], Any]]] = {
    None: lambda value: value,
    "r": repr,
    "s": str,
    "a": ascii,
}


def _expand_pieces(text: str, names: dict[str, Any]) -> Iterator[str]:
    def value(match: re.Match[str]) -> str:
        word = match[1]
        return word if word.startswith("$") else str(eval(word, {}, names))  # noqa: S307 - a name of the cell

    for literal, field, spec, conversion in string.Formatter().parse(text):
        yield DOLLAR.sub(value, literal)
        if field is not None:
            result = eval(field, dict(names))  # noqa: S307 - the cell's own expression
            result = _CONVERSIONS[conversion](result)
            if spec:  # IPython leaves such a command unchanged, too.
                raise ValueError(f"no formats in commands: {spec}")
            yield str(result)


def _caller() -> FrameType:
    """Return the frame of the code that contains a command."""
    frame = sys._getframe(1)  # noqa: SLF001 - as IPython finds its caller
    while frame.f_code.co_filename == _OWN and frame.f_back is not None:
        frame = frame.f_back
    return frame


_OWN: Final = _caller.__code__.co_filename


def _bash() -> str:
    import shutil

    return shutil.which("bash") or "sh"


def _run(command: list[str], write: Callable[[str], object] | None) -> int:
    """Run a program and forward its output as it arrives; return its exit code, negative for a signal.

    With `write`, the output of its processes in the background is waited for, too.
    """
    import subprocess

    sys.stdout.flush()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
    pipe = cast("IO[bytes]", process.stdout)
    if write is not None:
        with process:
            script_magics.forward_output(pipe, write)
    else:
        script_magics.forward_output_until_exit(process, pipe, script_magics.flushing_writer(sys.stdout))
    code = process.returncode
    return code if code <= 128 else 128 - code


def _raise_unknown(typed: str) -> NoReturn:
    raise NotImplementedError(f"{typed} is not available in a job. Run it in the notebook.")
