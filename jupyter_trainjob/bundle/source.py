"""Is this cell a program that can run alone? Errors come here, before anything is sent, with the line and a caret."""

from __future__ import annotations

import ast
import re
import warnings
from typing import Final

from jupyter_trainjob.errors import UsageError

_MAGIC: Final = re.compile(r"\s*(?:[%!?]|[\w\s,.\[\]\"']+=\s*[!%]\s*\w|[\w.]+\?{1,2}\s*$)")
_PLAIN_PYTHON: Final = (
    "A job runs plain Python. Move notebook commands to a cell of their own; for a shell command that every rank "
    "should run, write subprocess.run([...], check=True)."
)


def parse(source: str, filename: str) -> ast.Module:
    """Return the tree of a cell; raise `errors.UsageError` if it is not plain Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, filename, "exec", dont_inherit=True)
            tree = ast.parse(source, filename)
    except SyntaxError as error:
        raise UsageError(_explain(error, source, filename)) from None
    except ValueError as error:  # A null byte, before Python 3.12.
        raise UsageError(f"{filename} cannot be sent: {error}.") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "get_ipython":
            line = source.splitlines()[node.lineno - 1].strip()
            raise UsageError(f"{filename}, line {node.lineno}: {_command(line)} needs the notebook. {_PLAIN_PYTHON}")
    return tree


def _explain(error: SyntaxError, source: str, filename: str) -> str:
    lines = source.splitlines()
    number = error.lineno or 1
    line = lines[number - 1] if number <= len(lines) else ""
    if _MAGIC.match(line):
        return f"{filename}, line {number}: `{line.strip()}` is a command for the notebook. {_PLAIN_PYTHON}"
    indent = len(line) - len(line.lstrip())
    caret = " " * max(0, (error.offset or 1) - 1 - indent) + "^"
    message = f"{filename}, line {number}: {error.msg}\n    {line.strip()}\n    {caret}\nNothing was sent."
    if "await" in str(error.msg) or "async" in str(error.msg):
        return f"{message} In a job, put it into `async def main(): ...` and call asyncio.run(main())."
    return message


def _command(line: str) -> str:
    """Return a notebook command as it was typed, from the call that the notebook makes of it."""
    call = re.search(r"get_ipython\(\)\.(\w+)\((.*)\)", line)
    if call is None:
        return f"`{line}`"
    try:
        words = ast.literal_eval(f"({call.group(2)},)")
    except (ValueError, SyntaxError):
        return f"`{line}`"
    typed = {
        "run_line_magic": "%",
        "run_cell_magic": "%%",
        "system": "!",
        "getoutput": "!",
    }.get(call.group(1))
    return f"`{typed}{' '.join(str(word) for word in words)}`" if typed else f"`{line}`"
