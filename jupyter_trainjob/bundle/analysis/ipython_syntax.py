"""The notebook's own syntax as plain Python: ``%time f()``, ``!ls {folder}``, ``%%bash``.

`to_plain_python` turns each command of a cell into a call of ``get_ipython()``, as IPython's own transformer does, and
keeps the line numbers. In a job, `worker.notebook.shell` implements the commands of `LINE` and `CELL`; all others are
rejected here. `expand_magics` shows the code and ``{names}`` in the texts of commands to the analysis of names.
"""

from __future__ import annotations

import ast
import re
import shlex
import string
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from jupyter_trainjob.errors import UsageError
from jupyter_trainjob.worker.notebook import script_magics
from jupyter_trainjob.worker.notebook.notebook_magics import NO_RAISE_ERROR
from jupyter_trainjob.worker.notebook.shell import CELL, CODE, DOLLAR, LINE, SILENT

_ROUNDS: Final = 500
"""Maximum of commands in a cell; IPython's own limit."""
_CELL_MAGIC: Final = re.compile(r"%%(\w+)[ \t]*(.*)")
_OPTIONS: Final = re.compile(r"\s*(?:-[A-Za-z]\S*(?:\s+\d+)?\s+)*")
"""Options before the code, as in ``%timeit -n 10 f()``."""


@dataclass(frozen=True)
class Command:
    """A call of ``get_ipython()`` with its text."""

    node: ast.Call
    method: str
    name: str
    """Name of the magic; empty for a shell command."""
    text: str
    body: str = ""
    """Lines below a cell magic."""

    @property
    def typed(self) -> str:
        """Return the command as it was typed."""
        mark = {"run_line_magic": "%", "run_cell_magic": "%%"}.get(self.method, "!")
        return f"{mark}{self.name} {self.text}".strip() if self.name else f"{mark}{self.text}"


def to_plain_python(text: str, filename: str) -> str:
    """Return a cell as Python on the same lines. Raises `errors.UsageError` for a command that a job does not have."""
    head, body = _split_head(text)
    magic = _CELL_MAGIC.match(body.lstrip("\n"))
    if magic is None:
        python = head + _transform_lines(_without_leading_indent(body))
    else:
        blank = body[: len(body) - len(body.lstrip("\n"))]
        rest = body.lstrip("\n").partition("\n")[2]
        inner = to_plain_python(rest, filename) if magic[1] in CODE else rest
        python = f"{head}{blank}get_ipython().run_cell_magic({magic[1]!r}, {magic[2]!r}, {inner!r})\n"
    return _check_commands(python, text, filename)


def iter_commands(tree: ast.AST) -> Iterator[Command]:
    """Yield the commands in a tree of plain Python."""
    for node in ast.walk(tree):
        command = _as_command(node)
        if command is not None:
            yield command


QUERIES: Final = frozenset({"query", "eval"})
"""Methods of data frames that read the caller's variables."""


def expand_magics(tree: ast.Module) -> ast.Module:
    """Return a tree in which each command is replaced by what its text reads and binds."""
    expanded: ast.Module = ast.fix_missing_locations(_MagicExpander().visit(tree))
    return expanded


def names_in_command(text: str) -> set[str]:
    """Return the Python names in a shell command or the text of a magic.

    >>> sorted(names_in_command("cp {source} $target '$HOME'"))
    ['source', 'target']
    """
    names: set[str] = set()
    try:
        pieces = list(string.Formatter().parse(text))
    except ValueError:  # Braces of shell syntax.
        return names
    for literal, field, spec, _ in pieces:
        names.update(match[1].partition(".")[0] for match in DOLLAR.finditer(literal) if not match[1].startswith("$"))
        for code in (field, *(inner for _, inner, _, _ in string.Formatter().parse(spec or ""))):
            names |= _names_in_expression(code or "")
    return {name for name in names if name.isidentifier()}


def _split_head(text: str) -> tuple[str, str]:
    """Return the comment that the magic left in its place, and the cell below it."""
    if text.startswith("# %%"):
        first, end, rest = text.partition("\n")
        return first + end, rest
    return "", text


def _without_leading_indent(body: str) -> str:
    """Return a cell without the indent of its first line, as IPython does."""
    code = body.lstrip("\n")
    if not code.startswith((" ", "\t")):
        return body
    from IPython.core.inputtransformer2 import leading_indent

    return body[: len(body) - len(code)] + "".join(leading_indent(code.splitlines(keepends=True)))


def _transform_lines(body: str) -> str:
    if not re.search(r"[%!?,;/]", body):  # Characters of IPython's syntax; most cells have none.
        return body
    from IPython.core.inputtransformer2 import TransformerManager

    manager = TransformerManager()
    lines = (body if body.endswith("\n") else f"{body}\n").splitlines(keepends=True)
    for round_number in range(_ROUNDS):
        changed, after = manager.do_one_token_transform(lines)
        if not changed:
            return "".join(lines) if round_number else body
        lines = _pad_lines(lines, after)
    return "".join(lines)


def _pad_lines(before: list[str], after: list[str]) -> list[str]:
    """Insert empty lines where several lines became one, so that the others keep their numbers."""
    missing = len(before) - len(after)
    if missing <= 0:
        return after
    index = next(
        (position for position, (old, new) in enumerate(zip(before, after, strict=False)) if old != new), len(after) - 1
    )
    return [*after[: index + 1], *["\n"] * missing, *after[index + 1 :]]


def _check_commands(python: str, text: str, filename: str) -> str:
    """Reject unsupported commands in `python`; return it with the code in its commands as plain Python, too."""
    if "get_ipython" not in python:
        return python
    try:
        tree = ast.parse(python)
    except (SyntaxError, ValueError):  # `cell_source` reports the error.
        return python
    lines = python.splitlines(keepends=True)
    for command in iter_commands(tree):
        _refuse_unknown(command, text, filename)
        _refuse_options(command, filename)
        if command.method == "run_line_magic" and command.name in CODE:
            argument = command.node.args[1]
            options, code = _split_options(command)
            inner = to_plain_python(code, filename) if code else ""
            _refuse_code(command, inner.strip(), filename)
            if inner.rstrip("\n") != code and argument.lineno == argument.end_lineno:
                line = lines[argument.lineno - 1].encode()
                new = repr(options + inner.rstrip("\n")).encode()
                lines[argument.lineno - 1] = (
                    line[: argument.col_offset] + new + line[argument.end_col_offset :]
                ).decode()
        elif command.method == "run_cell_magic" and command.name in CODE:
            _refuse_code(command, command.body, filename)
    return "".join(lines)


def _refuse_unknown(command: Command, text: str, filename: str) -> None:
    allowed = {"run_line_magic": LINE, "run_cell_magic": CELL}.get(command.method)
    if allowed is None or command.name in allowed:
        return
    if command.name in ("pinfo", "pinfo2", "psearch"):
        shown, remedy = f"`{command.text}?`", "shows help, which is not available in a job: use it in another cell."
    else:
        shown = f"`{command.typed}`"
        marks = ", ".join(
            f"%%{name}" if command.method == "run_cell_magic" else f"%{name}" for name in sorted(allowed - SILENT)
        )
        remedy = f"is not available in a job, which has {marks}, and !command."
    line = command.node.lineno if command.node.lineno <= text.count("\n") + 1 else 1
    raise UsageError(f"{filename}, line {line}: {shown} {remedy} Nothing was sent.")


def _refuse_options(command: Command, filename: str) -> None:
    """Reject options that a job does not support."""
    where = f"{filename}, line {command.node.lineno}: `{command.typed}`"
    if command.name == "cd" and re.match(r"-(?:\d|-|q*b)", command.text.strip()):
        raise UsageError(
            f"{where} reads the notebook's history of folders, or its bookmarks, which a job does not have. "
            "Name the folder. Nothing was sent."
        )
    if command.method == "run_cell_magic" and (command.name == "script" or command.name in script_magics.PROGRAMS):
        try:
            script = script_magics.parse_options(command.name, command.text)
        except ValueError as error:
            raise UsageError(f"{where}: {error}. Nothing was sent.") from None
        if script.behind:
            raise UsageError(
                f"{where} would run in the background, and be stopped with the cell: a job ends with its cell. "
                "Leave out --bg and --proc, or use subprocess.Popen and wait for it. Nothing was sent."
            )


def _refuse_code(command: Command, code: str, filename: str) -> None:
    """Reject code in a command that Python cannot compile."""
    where = f"{filename}, line {command.node.lineno}: `{command.typed}`"
    in_cell = command.method == "run_cell_magic"
    try:
        _compile(code, 0)
    except (SyntaxError, ValueError) as error:
        reason = f"has invalid code: {getattr(error, 'msg', error)}"
        line = getattr(error, "lineno", None)
        if in_cell and line:
            reason += f", {line} {'line' if line == 1 else 'lines'} below it"
        try:
            _compile(code, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except (SyntaxError, ValueError):
            pass
        else:
            reason = (
                "has `await` in its code, which IPython runs outside of the event loop. Await without the command, and "
                "take the time with time.perf_counter() before and after"
            )
        raise UsageError(f"{where} {reason}. Nothing was sent.") from None


def _compile(code: str, flags: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compile(code, "command", "exec", flags, dont_inherit=True)


def _as_command(node: ast.AST) -> Command | None:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython")), attr=method), args=args):
            words: list[Any] = [argument.value if isinstance(argument, ast.Constant) else None for argument in args]
            if not all(isinstance(word, str) for word in words):
                return None
            if method in ("system", "getoutput", "getoutputs") and len(words) == 1:
                return Command(node, method, "", words[0])
            if method == "run_line_magic" and len(words) == 2:
                return Command(node, method, words[0], words[1])
            if method == "run_cell_magic" and len(words) == 3:
                return Command(node, method, *words)
    return None


def _split_options(command: Command) -> tuple[str, str]:
    """Split the line of a command into options and code."""
    options = {"timeit": _OPTIONS, "time": NO_RAISE_ERROR}.get(command.name)
    match = options.match(f"{command.text} ") if options is not None else None
    end = match.end() if match else 0
    return command.text[:end], command.text[end:]


def _names_in_expression(code: str) -> set[str]:
    try:
        tree = ast.parse(code.strip(), mode="eval")
    except SyntaxError:
        return set()
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


class _MagicExpander(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> Any:
        """Replace a command by statements."""
        command = _as_command(node.value)
        if command is None:
            text = _executed_text(node.value)
            return self.generic_visit(node) if text is None else self._parsed(text)
        return self._statements(command)

    def visit_Call(self, node: ast.Call) -> Any:
        """Replace a command whose value is used by an expression of what it reads."""
        command = _as_command(node)
        text = _executed_text(node)
        if command is None and text is None:
            read = [ast.Name(id=name, ctx=ast.Load()) for name in sorted(_names_in_query_call(node))]
            self.generic_visit(node)
            return ast.Tuple(elts=[node, *read], ctx=ast.Load()) if read else node
        reads: list[ast.expr] = []
        for statement in self._statements(command) if command is not None else self._parsed(str(text)):
            reads += [nested for nested in ast.walk(statement) if isinstance(nested, ast.expr) and _is_read(nested)]
        return ast.Tuple(elts=reads, ctx=ast.Load())

    def _statements(self, command: Command) -> list[ast.stmt]:
        statements: list[ast.stmt] = [
            ast.Expr(ast.Name(id=name, ctx=ast.Load())) for name in sorted(names_in_command(command.text))
        ]
        if command.name in CODE:
            code = command.body if command.method == "run_cell_magic" else _split_options(command)[1]
            if command.method == "run_cell_magic" and command.name == "timeit":
                code = f"{_split_options(command)[1]}\n{code}"
            statements = self._parsed(code)
        statements += [
            ast.Assign([ast.Name(id=name, ctx=ast.Store())], ast.Constant(None)) for name in _names_bound(command)
        ]
        return statements or [ast.Pass()]

    def _parsed(self, code: str) -> list[ast.stmt]:
        try:
            return [*self.visit(ast.parse(code)).body] or [ast.Pass()]
        except (SyntaxError, ValueError):
            return [ast.Pass()]


def _names_bound(command: Command) -> list[str]:
    """Return the names to which a cell magic assigns output."""
    if command.method != "run_cell_magic":
        return []
    if command.name == "capture":
        return [word for word in shlex.split(command.text) if not word.startswith("-")][:1]
    if command.name == "script" or command.name in script_magics.PROGRAMS:
        script = script_magics.parse_options(command.name, command.text)
        return [name for name in (script.out, script.err) if name]
    return []


def _executed_text(node: ast.AST) -> str | None:
    """Return the literal in ``exec("…")`` and ``eval("…")``, None for any other node."""
    match node:
        case ast.Call(func=ast.Name(id="exec" | "eval"), args=[ast.Constant(value=str(text))]):
            return str(text)
    return None


def _names_in_query_call(node: ast.Call) -> set[str]:
    """Return the names in the literals of ``frame.query("a > @limit")``."""
    if not (isinstance(node.func, ast.Attribute) and node.func.attr in QUERIES):
        return set()
    texts = [
        nested.value for argument in node.args for nested in ast.walk(argument) if isinstance(nested, ast.Constant)
    ]
    return {name for text in texts if isinstance(text, str) for name in names_in_query(text)}


def names_in_query(text: str) -> set[str]:
    """Return the names of variables in a query of pandas.

    >>> names_in_query("age > @limit")
    {'limit'}
    """
    return set(re.findall(r"@([^\W\d]\w*)", text))


def _is_read(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
