"""Completion and tooltips on the lines of ``%%trainjob`` and ``%trainjob``.

IPython's completer calls a matcher, for terminals and for the kernel's ``complete_request``. Tooltips are replies to
``inspect_request``, for which IPython has no hook, so the kernel's method is wrapped. JupyterLab also shows them beside
a completion.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from jupyter_trainjob.client.commandline.completion_values import Lookup
from jupyter_trainjob.client.commandline.line_completion import Completion, complete, explain_word
from jupyter_trainjob.magics import arguments

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_trainjob.client.commandline.parser import Parser

_LINE = re.compile(r"\s*(?P<magic>%%?trainjob)\s(?P<rest>.*)", re.DOTALL)


def install(shell: InteractiveShell) -> None:
    """Add completion and tooltips of the magics to the shell."""
    matchers = shell.Completer.custom_matchers
    if any(getattr(matcher, "matcher_identifier", "") == _IDENTIFIER for matcher in matchers):
        return
    matchers.append(_matcher(shell.user_ns, Lookup()))
    kernel = getattr(shell, "kernel", None)
    if kernel is not None and hasattr(kernel, "do_inspect"):
        kernel.do_inspect = _wrap_inspect(kernel.do_inspect)


_IDENTIFIER = "jupyter_trainjob"


def _matcher(variables: dict[str, Any], lookup: Lookup) -> Callable[[CompletionContext], dict[str, Any]]:
    def values(argument: str, options: Mapping[str, str]) -> Sequence[str]:
        if argument in ("out", "secrets"):
            names = [name for name in variables if not name.startswith("_")]
            return sorted({*names, *(os.environ if argument == "secrets" else ())})
        return lookup.values(argument, options)

    @context_matcher(identifier=_IDENTIFIER, priority=1000)  # type: ignore[untyped-decorator]
    def match(context: CompletionContext) -> dict[str, Any]:
        line = context.full_text.split("\n")[context.cursor_line][: context.cursor_position]
        typed = _parse_typed(line)
        if typed is None:
            return {"completions": []}
        parser, words, fragment = typed
        # Without any completion, IPython would offer Python's names: an unknown word completes to itself.
        completions = complete(parser, words, fragment, values) or [Completion(fragment)]
        return {
            "completions": [
                SimpleCompletion(completion.text, type="option" if completion.is_option else "value")
                for completion in completions
            ],
            "matched_fragment": fragment,
            "suppress": True,
            "ordered": True,
        }

    return match  # type: ignore[no-any-return]


def _parse_typed(line: str) -> tuple[Parser, list[str], str] | None:
    """Return the parser of a magic's line, the words before the last one, and the last one, which may be empty."""
    match = _LINE.match(line)
    if match is None:
        return None
    parser = arguments.cell_parser() if match["magic"] == "%%trainjob" else arguments.line_parser()
    *words, fragment = match["rest"].split(" ") if match["rest"] else [""]
    return parser, [word for word in words if word], fragment


def _wrap_inspect(inspect: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the kernel's `inspect` to handle the options of the magics."""

    def do_inspect(code: str, cursor_pos: int, *args: Any, **kwargs: Any) -> Any:
        text = tooltip(code, cursor_pos)
        if not text:
            return inspect(code, cursor_pos, *args, **kwargs)
        return {"status": "ok", "found": True, "data": {"text/plain": text}, "metadata": {}}

    return do_inspect


def tooltip(code: str, cursor: int) -> str:
    """Return the help of the option, value or command at or before the position `cursor`; empty elsewhere."""
    begin = code.rfind("\n", 0, cursor) + 1
    line = code[begin:].split("\n", 1)[0]
    rest_of_word = re.match(r"\S*", line[cursor - begin :])
    typed = _parse_typed(line[: cursor - begin + len(rest_of_word[0] if rest_of_word else "")])
    if typed is None:
        return ""
    parser, words, word = typed
    words = [*words, word] if word else words
    return explain_word(parser, words) if words else ""
