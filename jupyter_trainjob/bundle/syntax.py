"""The notebook's own syntax as plain Python: ``%time f()``, ``!ls {folder}``, ``%%bash``.

Comes before `source`: text of a cell in, the same lines as Python out, with calls of ``get_ipython()`` where commands
were; IPython's own transformer makes them. In a job, `worker.shell` answers these calls, which knows the commands of
`LINE` and `CELL`; any other is refused here. What code and ``{names}`` a command's text holds, `unfolded` shows to the
analysis of names.
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
from jupyter_trainjob.worker import scripts
from jupyter_trainjob.worker.magics import QUIETLY
from jupyter_trainjob.worker.shell import CELL, CODE, DOLLAR, LINE, SILENT

_ROUNDS: Final = 500
"""Commands in a cell; IPython's own limit."""
_CELL_MAGIC: Final = re.compile(r"%%(\w+)[ \t]*(.*)")
_OPTIONS: Final = re.compile(r"\s*(?:-[A-Za-z]\S*(?:\s+\d+)?\s+)*")
"""Before the code of ``%timeit -n 10 f()``."""


@dataclass(frozen=True)
class Command:
    """A call of ``get_ipython()`` with its text."""

    node: ast.Call
    method: str
    name: str
    """Of a magic; empty for a shell command."""
    text: str
    body: str = ""
    """Of a cell magic."""

    @property
    def typed(self) -> str:
        """Return the command as it was typed."""
        mark = {"run_line_magic": "%", "run_cell_magic": "%%"}.get(self.method, "!")
        return f"{mark}{self.name} {self.text}".strip() if self.name else f"{mark}{self.text}"


def plain(text: str, filename: str) -> str:
    """Return a cell as Python, line by line. Raises `errors.UsageError` for a command that a job does not know."""
    head, body = _split_head(text)
    magic = _CELL_MAGIC.match(body.lstrip("\n"))
    if magic is None:
        made = head + _lines(_dedented(body))
    else:
        blank = body[: len(body) - len(body.lstrip("\n"))]
        rest = body.lstrip("\n").partition("\n")[2]
        inner = plain(rest, filename) if magic[1] in CODE else rest
        made = f"{head}{blank}get_ipython().run_cell_magic({magic[1]!r}, {magic[2]!r}, {inner!r})\n"
    return _checked(made, text, filename)


def commands(tree: ast.AST) -> Iterator[Command]:
    """Yield the commands in plain Python."""
    for node in ast.walk(tree):
        found = _command(node)
        if found is not None:
            yield found


QUERIES: Final = frozenset({"query", "eval"})
"""Methods of frames that read the caller's variables."""


def unfolded(tree: ast.Module) -> ast.Module:
    """Return a tree in which stands, for each command, what its text reads and binds."""
    changed: ast.Module = ast.fix_missing_locations(_Unfold().visit(tree))
    return changed


def names_in(text: str) -> set[str]:
    """Return the names that a shell command, or the text of a magic, takes from Python."""
    found: set[str] = set()
    try:
        pieces = list(string.Formatter().parse(text))
    except ValueError:  # Braces that are the shell's.
        return found
    for literal, field, spec, _ in pieces:
        found.update(match[1].partition(".")[0] for match in DOLLAR.finditer(literal) if not match[1].startswith("$"))
        for code in (field, *(inner for _, inner, _, _ in string.Formatter().parse(spec or ""))):
            found |= _loaded(code or "")
    return {name for name in found if name.isidentifier()}


def _split_head(text: str) -> tuple[str, str]:
    """Return the comment that the magic left of itself, and the cell below it."""
    if text.startswith("# %%"):
        first, end, rest = text.partition("\n")
        return first + end, rest
    return "", text


def _dedented(body: str) -> str:
    """Return a cell without the indent of its first line, which the notebook passes over."""
    code = body.lstrip("\n")
    if not code.startswith((" ", "\t")):
        return body
    from IPython.core.inputtransformer2 import leading_indent

    return body[: len(body) - len(code)] + "".join(leading_indent(code.splitlines(keepends=True)))


def _lines(body: str) -> str:
    if not re.search(r"[%!?,;/]", body):  # IPython's marks; most cells have none of its syntax.
        return body
    from IPython.core.inputtransformer2 import TransformerManager

    manager = TransformerManager()
    lines = (body if body.endswith("\n") else f"{body}\n").splitlines(keepends=True)
    for done in range(_ROUNDS):
        changed, after = manager.do_one_token_transform(lines)
        if not changed:
            return "".join(lines) if done else body
        lines = _as_many(lines, after)
    return "".join(lines)


def _as_many(before: list[str], after: list[str]) -> list[str]:
    """Make up for lines that became one, so that all others keep their numbers."""
    missing = len(before) - len(after)
    if missing <= 0:
        return after
    place = next((at for at, (old, new) in enumerate(zip(before, after, strict=False)) if old != new), len(after) - 1)
    return [*after[: place + 1], *["\n"] * missing, *after[place + 1 :]]


def _checked(made: str, text: str, filename: str) -> str:
    """Return `made` with the code in its commands made plain as well."""
    if "get_ipython" not in made:
        return made
    try:
        tree = ast.parse(made)
    except (SyntaxError, ValueError):  # `source` says what is wrong.
        return made
    lines = made.splitlines(keepends=True)
    for command in commands(tree):
        _refuse(command, text, filename)
        _refuse_options(command, filename)
        if command.method == "run_line_magic" and command.name in CODE:
            argument = command.node.args[1]
            options, code = _code(command)
            inner = plain(code, filename) if code else ""
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


def _refuse(command: Command, text: str, filename: str) -> None:
    known = {"run_line_magic": LINE, "run_cell_magic": CELL}.get(command.method)
    if known is None or command.name in known:
        return
    if command.name in ("pinfo", "pinfo2", "psearch"):
        what, remedy = f"`{command.text}?`", "asks for help, which a job has nobody to show to: ask in another cell."
    else:
        what = f"`{command.typed}`"
        marks = ", ".join(
            f"%%{name}" if command.method == "run_cell_magic" else f"%{name}" for name in sorted(known - SILENT)
        )
        remedy = f"is a command for the notebook that a job does not have. It has {marks}, and !command."
    line = command.node.lineno if command.node.lineno <= text.count("\n") + 1 else 1
    raise UsageError(f"{filename}, line {line}: {what} {remedy} Nothing was sent.")


def _refuse_options(command: Command, filename: str) -> None:
    """Refuse what a command that a job has cannot do there."""
    where = f"{filename}, line {command.node.lineno}: `{command.typed}`"
    if command.name == "cd" and re.match(r"-(?:\d|-|q*b)", command.text.strip()):
        raise UsageError(
            f"{where} looks in the notebook's own history of folders, or its bookmarks, which a job does not have. "
            "Name the folder. Nothing was sent."
        )
    if command.method == "run_cell_magic" and (command.name == "script" or command.name in scripts.PROGRAMS):
        try:
            asked = scripts.options(command.name, command.text)
        except ValueError as error:
            raise UsageError(f"{where}: {error}. Nothing was sent.") from None
        if asked.behind:
            raise UsageError(
                f"{where} would run on in the background, and end with the cell: a job is over when its cell is. "
                "Leave out --bg and --proc, or use subprocess.Popen and wait for it. Nothing was sent."
            )


def _refuse_code(command: Command, code: str, filename: str) -> None:
    """Refuse code in a command that Python would not compile."""
    where = f"{filename}, line {command.node.lineno}: `{command.typed}`"
    in_cell = command.method == "run_cell_magic"
    try:
        _compiled(code, 0)
    except (SyntaxError, ValueError) as error:
        why = f"has code that Python does not understand: {getattr(error, 'msg', error)}"
        line = getattr(error, "lineno", None)
        if in_cell and line:
            why += f", {line} {'line' if line == 1 else 'lines'} below it"
        try:
            _compiled(code, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except (SyntaxError, ValueError):
            pass
        else:
            why = (
                "has `await` in its code, which IPython runs outside of the event loop. Await without the command, and "
                "take the time with time.perf_counter() before and after"
            )
        raise UsageError(f"{where} {why}. Nothing was sent.") from None


def _compiled(code: str, flags: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compile(code, "command", "exec", flags, dont_inherit=True)


def _command(node: ast.AST) -> Command | None:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython")), attr=method), args=args):
            words: list[Any] = [each.value if isinstance(each, ast.Constant) else None for each in args]
            if not all(isinstance(word, str) for word in words):
                return None
            if method in ("system", "getoutput", "getoutputs") and len(words) == 1:
                return Command(node, method, "", words[0])
            if method == "run_line_magic" and len(words) == 2:
                return Command(node, method, words[0], words[1])
            if method == "run_cell_magic" and len(words) == 3:
                return Command(node, method, *words)
    return None


def _code(command: Command) -> tuple[str, str]:
    """Return the options and the code in the line of a command."""
    options = {"timeit": _OPTIONS, "time": QUIETLY}.get(command.name)
    found = options.match(f"{command.text} ") if options is not None else None
    end = found.end() if found else 0
    return command.text[:end], command.text[end:]


def _loaded(code: str) -> set[str]:
    try:
        tree = ast.parse(code.strip(), mode="eval")
    except SyntaxError:
        return set()
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


class _Unfold(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> Any:
        """Put the statements of a command in its place."""
        found = _command(node.value)
        if found is None:
            text = _executed(node.value)
            return self.generic_visit(node) if text is None else self._parsed(text)
        return self._statements(found)

    def visit_Call(self, node: ast.Call) -> Any:
        """Put an expression of what a command reads in its place, where its value is used."""
        found = _command(node)
        text = _executed(node)
        if found is None and text is None:
            read = [ast.Name(id=name, ctx=ast.Load()) for name in sorted(_queried(node))]
            self.generic_visit(node)
            return ast.Tuple(elts=[node, *read], ctx=ast.Load()) if read else node
        reads: list[ast.expr] = []
        for statement in self._statements(found) if found is not None else self._parsed(str(text)):
            reads += [each for each in ast.walk(statement) if isinstance(each, ast.expr) and _is_read(each)]
        return ast.Tuple(elts=reads, ctx=ast.Load())

    def _statements(self, command: Command) -> list[ast.stmt]:
        made: list[ast.stmt] = [ast.Expr(ast.Name(id=name, ctx=ast.Load())) for name in sorted(names_in(command.text))]
        if command.name in CODE:
            code = command.body if command.method == "run_cell_magic" else _code(command)[1]
            if command.method == "run_cell_magic" and command.name == "timeit":
                code = f"{_code(command)[1]}\n{code}"
            made = self._parsed(code)
        made += [ast.Assign([ast.Name(id=name, ctx=ast.Store())], ast.Constant(None)) for name in _bound(command)]
        return made or [ast.Pass()]

    def _parsed(self, code: str) -> list[ast.stmt]:
        try:
            return [*self.visit(ast.parse(code)).body] or [ast.Pass()]
        except (SyntaxError, ValueError):
            return [ast.Pass()]


def _bound(command: Command) -> list[str]:
    """Return the names that a cell magic gives to what it kept."""
    if command.method != "run_cell_magic":
        return []
    if command.name == "capture":
        return [word for word in shlex.split(command.text) if not word.startswith("-")][:1]
    if command.name == "script" or command.name in scripts.PROGRAMS:
        asked = scripts.options(command.name, command.text)
        return [name for name in (asked.out, asked.err) if name]
    return []


def _executed(node: ast.AST) -> str | None:
    """Return the text of ``exec("…")`` and ``eval("…")``, where it stands there."""
    match node:
        case ast.Call(func=ast.Name(id="exec" | "eval"), args=[ast.Constant(value=str(text))]):
            return str(text)
    return None


def _queried(node: ast.Call) -> set[str]:
    """Return the names in the text of ``frame.query("a > @limit")``."""
    if not (isinstance(node.func, ast.Attribute) and node.func.attr in QUERIES):
        return set()
    texts = [each.value for argument in node.args for each in ast.walk(argument) if isinstance(each, ast.Constant)]
    return {name for text in texts if isinstance(text, str) for name in queried(text)}


def queried(text: str) -> set[str]:
    """Return the names of variables in a query of pandas."""
    return set(re.findall(r"@([^\W\d]\w*)", text))


def _is_read(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
