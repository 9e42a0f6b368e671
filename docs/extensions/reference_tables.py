"""Reference pages as Markdown, made from the code: parsers, job options, settings and the profile of pods."""

from __future__ import annotations

import argparse
import ast
import inspect
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any, get_type_hints

from jupyter_trainjob.client.spec.options import TABLE, JobOptions
from jupyter_trainjob.cluster.agent.pods import pod_support
from jupyter_trainjob.cluster.state.cluster_settings import Settings
from jupyter_trainjob.server import proxy_rules
from jupyter_trainjob.server.app import TrainJobApp


def commands(parser: argparse.ArgumentParser, *, heading: bool = False) -> Iterator[str]:
    """Yield usage, description and arguments of a parser, and each of its subcommands in a section of its own."""
    if heading:
        yield f"### `{parser.prog}`\n"
    yield f"{_description(parser.description or '')}\n"
    yield f"```text\n{_usage(parser)}\n```\n"
    yield from _table(("Argument", "Meaning"), [(_invocation(action), _help(action)) for action in _arguments(parser)])
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                yield from commands(subparser, heading=True)


def job_options() -> Iterator[str]:
    """Yield the options of a job: in a cell's magic and as an argument in Python."""
    types = get_type_hints(JobOptions)
    rows = [
        (
            f"`{option.flag} {option.metavar}`" if option.flag else f"`{option.metavar}`",
            "" if option.cells_only else f"`{name}`",
            "" if option.cells_only else f"`{_type(types.get(name, str))}`",
            "yes" if option.forkable else "",
            option.help,
        )
        for name, option in TABLE.items()
    ]
    yield from _table(("`%%trainjob`", "Python", "Type", "`fork()`", "Meaning"), rows)


def server_settings() -> Iterator[str]:
    """Yield the settings of the server extension, from its traitlets."""
    rows = []
    for name, trait in sorted(TrainJobApp.class_own_traits(config=True).items()):
        default = "the table below" if name == "proxy_allows" else f"`{trait.default_value_repr()}`"
        rows.append((f"`c.TrainJobApp.{name}`", default, str(trait.help)))
    yield from _table(("Setting", "Default", "Meaning"), rows)


def forwarded_requests() -> Iterator[str]:
    """Yield what the server's proxy forwards unless configured otherwise."""
    yield from _table(
        ("Resource", "Verbs"), [(f"`{name}`", ", ".join(verbs)) for name, verbs in proxy_rules.DEFAULT.items()]
    )


def cluster_settings() -> Iterator[str]:
    """Yield the settings of the embedded cluster's daemon."""
    texts = _attribute_docstrings(Settings)
    rows = [
        (f"`TRAINJOB_{field.name.upper()}`", f"`{field.name}`", f"{field.default:g}", texts[field.name])
        for field in fields(Settings)
    ]
    yield from _table(("Variable", "In `trainjob.json`", "Default", "Meaning"), rows)


def refused_pod_fields() -> Iterator[str]:
    """Yield the pod fields that the embedded cluster refuses."""
    yield from _pod_fields(pod_support.REFUSED)


def ignored_pod_fields() -> Iterator[str]:
    """Yield the pod fields that the embedded cluster ignores."""
    yield from _pod_fields(pod_support.IGNORED)


def _pod_fields(rows: Iterable[pod_support.UnsupportedField]) -> Iterator[str]:
    yield from _table(("Field of the pod's `spec`", "Why"), [(f"`{row.path}`", row.reason) for row in rows])


def _type(annotation: Any) -> str:
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return re.sub(r"\b(?:collections\.abc|datetime|typing)\.|None \| | \| None", "", text)


def _usage(parser: argparse.ArgumentParser) -> str:
    return " ".join(parser.format_usage().removeprefix("usage: ").split())


def _arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments that a table lists: all but ``--help`` and subcommands, which are sections."""
    for action in parser._actions:
        if not isinstance(action, (argparse._HelpAction, argparse._SubParsersAction)):
            yield action


def _invocation(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    value = ""
    if action.nargs != 0:
        choices = "{" + ",".join(map(str, action.choices or [action.dest.upper()])) + "}"
        value = f" {action.metavar or choices}"
    return ", ".join(f"`{name}{value}`" for name in action.option_strings)


def _help(action: argparse.Action) -> str:
    return (action.help or "") % vars(action)


def _description(text: str) -> str:
    """Return the description of a parser as Markdown, with options, calls and magics as code."""
    return re.sub(r"(?<![`\w])(--[a-z-]+|[A-Z]+\.\w+\([^)]*\)|\w+\(\w+=[^)]*\)|%%?trainjob)(?![`\w])", r"`\1`", text)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if rows:
        yield from map(_row, (header, ["---"] * len(header), *rows))
        yield ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"


def _attribute_docstrings(cls: type) -> dict[str, str]:
    """Return the text below each annotated attribute of a class, which Python itself does not keep."""
    (definition,) = ast.parse(inspect.cleandoc(inspect.getsource(cls))).body
    assert isinstance(definition, ast.ClassDef)
    texts = {}
    for statement, following in itertools.pairwise(definition.body):
        if isinstance(statement, ast.AnnAssign) and isinstance(following, ast.Expr):
            name, text = ast.unparse(statement.target), ast.literal_eval(following.value)
            texts[name] = text.replace("``", "`")
    return texts
