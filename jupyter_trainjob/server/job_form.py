"""The form of a new job: write the line of ``%%trainjob`` for its fields, and check them.

The magic's parser parses the line, and the options are checked as when the cell runs, so form and magic never differ.
Nothing is sent: only the kernel has the values that the cell uses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from jupyter_trainjob import errors
from jupyter_trainjob.client import context as contexts
from jupyter_trainjob.client.commandline import job_arguments
from jupyter_trainjob.client.context import Connection, namespace_for
from jupyter_trainjob.client.export import magic_line
from jupyter_trainjob.client.spec import assemble, runtimes
from jupyter_trainjob.client.spec.job_names import check_name, check_variable
from jupyter_trainjob.client.spec.options import TABLE, JobOptions, flag_words, option_words
from jupyter_trainjob.magics.arguments import cell_parser
from jupyter_trainjob.server.cluster_routes import connect_without_starting

_LINE_WORDING: Final = re.compile(
    r"^%%trainjob: (?:argument --[\w-]+: )?|^--[\w-]+ \S*: (?=write )| `%%trainjob --help` shows all options\.$"
    r"| Nothing was sent\.$"
)
"""Parts of messages that concern a typed line, not a form."""
_FLAG: Final = re.compile(r"--[a-z][a-z-]*")


def form_fields() -> list[dict[str, Any]]:
    """Return the fields of the form in display order."""
    return [
        {
            "name": name,
            "label": option.form.label,
            "hint": option.form.hint,
            "group": option.form.group,
            "kind": option.form.kind,
            "default": "" if option.default is None else ", ".join(option.type.words(option.default)),
        }
        for name, option in TABLE.items()
        if option.form is not None
    ]


def draft_line(typed: Mapping[str, str], *, context: str | None, namespace: str | None) -> dict[str, Any]:
    """Return the line for the texts of the fields, the problems by field, and what does not fit the cluster.

    ``line`` names the context and the namespace only if they are not the defaults; ``full`` always does, for kernels
    with another default.
    """
    problems = [_problem(name, f"There is no option {name!r}.") for name in typed if name not in TABLE]
    connection = connect_without_starting(context)
    destination = {"context": connection.name, "namespace": namespace_for(connection, namespace)}
    default = {"context": contexts.chosen_context(), "namespace": namespace_for(connection)}
    line = full = fit = ""
    try:
        options, full = _parse({**typed, **destination})
        _, line = _parse({**typed, **{name: value for name, value in destination.items() if value != default[name]}})
    except errors.UsageError as error:
        problems += _field_problems(typed) or [_problem("", str(error))]
    if not problems:
        why, fit = _check_fit(connection, options)
        problems += [_problem("runtime", why)] if why else []
    if problems:
        return {"line": "", "full": "", "problems": problems, "fit": ""}
    return {"line": line, "full": full, "problems": [], "fit": fit}


def _field_problems(typed: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the problems of each field, parsed by itself."""
    problems = []
    for name in typed:
        try:
            _parse({name: typed[name]})
        except errors.UsageError as error:  # noqa: PERF203 - one field each
            problems.append(_problem(name, str(error)))
    return problems


def _problem(field: str, text: str) -> dict[str, str]:
    return {"field": field, "text": _form_wording(text)}


def _form_wording(text: str) -> str:
    """Return a message about a line in the terms of the form, which has labels in place of flags."""
    labels = {option.flag: option.form.label for option in TABLE.values() if option.form is not None}
    text = _LINE_WORDING.sub("", text).replace("with --context", "above")
    text = _FLAG.sub(lambda flag: labels.get(flag.group(), flag.group()), text)
    return text[:1].upper() + text[1:]


def _parse(typed: Mapping[str, str]) -> tuple[JobOptions, str]:
    """Return the options of the fields and their line. Raises `errors.UsageError`."""
    if name := typed.get("name", "").strip():
        # Checked first: a name that begins with a dash would be taken for an option.
        check_name(name)
        check_variable(name)
    line = [
        word
        for name, option in TABLE.items()
        for word in flag_words(option, option.type.field_words(typed.get(name, "")))
    ]
    options = job_arguments.options_of(cell_parser().parse_args(line))
    words = option_words(options)
    return options, magic_line.magic_line(words if name else words[1:])


def _check_fit(connection: Connection, options: JobOptions) -> tuple[str, str]:
    """Return the problem with the runtime, and the reason why the job may not fit the cluster.

    Each is empty if there is none, or if the cluster cannot be reached.
    """
    with suppress(errors.ClusterError, errors.ApiError):
        try:
            runtime = runtimes.find_runtime(
                connection, options["runtime"], namespace_for(connection, options["namespace"])
            )
        except errors.UsageError as error:
            return str(error), ""
        try:
            return "", _form_wording(assemble.size_trainer(connection, options, runtime)[1])
        except errors.UsageError as error:
            return "", _form_wording(str(error))
    return "", ""
