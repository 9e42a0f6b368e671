"""The form of a new job: from what was typed to the line of ``%%trainjob``, and what is wrong with it.

The line is parsed by the magic's own parser, and its options are checked by what checks them when the cell runs, so
that form and magic never differ. Nothing is sent; values that the cell uses are known to its kernel alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from jupyter_trainjob import errors
from jupyter_trainjob.client import assemble, magicline, runtimes
from jupyter_trainjob.client.context import Connection, namespace_for
from jupyter_trainjob.client.options import Options
from jupyter_trainjob.magics.arguments import cell_parser
from jupyter_trainjob.magics.cell import options_of
from jupyter_trainjob.server.clusters import watched

FLAGS: Final = {
    "nodes": "--nodes",
    "gpus": "--gpus",
    "cpus": "--cpus",
    "memory": "--memory",
    "procs_per_node": "--procs-per-node",
    "runtime": "--runtime",
    "image": "--image",
    "env": "--env",
    "deadline": "--deadline",
    "retries": "--retries",
    "out": "--out",
    "files": "--file",
    "secrets": "--secret",
    "storage": "--storage",
    "context": "--context",
    "namespace": "--namespace",
}
"""Options of the magic by the names of the fields of `Options`, in the order of the line."""
_OF_THE_LINE: Final = re.compile(r"^%%trainjob: (?:argument --[\w-]+: )?| `%%trainjob --help` shows all options\.$")
"""What the parser says for those who typed a line."""


def drafted(typed: Mapping[str, Any], *, context: str | None, namespace: str | None) -> dict[str, Any]:
    """Return the line for what was typed, what is wrong with which field, and whether it fits the cluster."""
    problems = [
        _problem(name, f"There is no option {name!r}.") for name in typed if name != "name" and name not in FLAGS
    ]
    try:
        options, line = _parsed({**typed, "context": context, "namespace": namespace})
    except errors.UsageError as error:
        problems += _blamed(typed) or [_problem("", str(error))]
    if problems:
        return {"line": "", "problems": problems, "fit": ""}
    return {"line": line, "problems": [], "fit": _fits(watched(context), options)}


def _blamed(typed: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return what is wrong with each field by itself."""
    problems = []
    for name in typed:
        try:
            _parsed({name: typed[name]})
        except errors.UsageError as error:  # noqa: PERF203 - a field each
            problems.append(_problem(name, str(error)))
    return problems


def _problem(field: str, text: str) -> dict[str, str]:
    return {"field": field, "text": _OF_THE_LINE.sub("", text)}


def _parsed(typed: Mapping[str, Any]) -> tuple[Options, str]:
    """Return the options that were typed, and their line. Raises `errors.UsageError`."""
    words = _words(typed)
    return options_of(cell_parser().parse_args(words)), magicline.line(words)


def _words(typed: Mapping[str, Any]) -> list[str]:
    """Return the words of the line."""
    # Checked first: a name that begins with a dash would be taken for an option.
    words = [Options(name=str(typed["name"])).name] if typed.get("name") else []
    usual = Options()
    for name, flag in FLAGS.items():
        value = typed.get(name)
        if value is None or value in ("", [], {}) or value == getattr(usual, name):
            continue
        if isinstance(value, Mapping):
            words += [word for key, each in value.items() for word in _said(flag, f"{key}={each}")]
        elif isinstance(value, list) and name != "out":
            words += [word for each in value for word in _said(flag, str(each))]
        else:
            words += _said(flag, ",".join(map(str, value)) if isinstance(value, list) else str(value))
    return words


def _said(flag: str, text: str) -> list[str]:
    """Return an option with its value, which would be taken for another option where it begins with a dash."""
    return [f"{flag}={text}"] if text.startswith("-") else [flag, text]


def _fits(connection: Connection, options: Options) -> str:
    """Return what may keep the job from running there; empty if nothing does, or nobody can tell."""
    try:
        runtime = runtimes.find(connection, options.runtime, namespace_for(connection, options.namespace))
        return assemble.sized(connection, options, runtime)[1]
    except errors.UsageError as error:
        return str(error)
    except (errors.ClusterError, errors.ApiError):
        return ""
