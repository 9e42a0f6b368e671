"""Export a job as code for the Kubeflow SDK 0.5; the SDK is not imported.

The SDK passes the source of one function through a shell, in double quotes, which would change dollar signs, backquotes
and backslashes. So a cell with any of these, or one that cannot be the body of a function, is passed encoded as an
argument. Captured names are written as code if they have a recipe; the others, and options that the SDK does not
support, are named in comments.
"""

from __future__ import annotations

import ast
import contextlib
import io
import textwrap
import tokenize
from collections.abc import Iterator, Mapping
from typing import Any, Final

from jupyter_trainjob import errors
from jupyter_trainjob.api.kinds.trainjobs import sender_patches
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.bundle import credential_scan
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.export import program_source
from jupyter_trainjob.client.spec.options import TABLE, stored_options
from jupyter_trainjob.client.spec.resource_requests import GPU
from jupyter_trainjob.client.spec.stored_job import StoredJob
from jupyter_trainjob.constants import PATCH_MANAGER

LONGEST = 90_000
"""Bytes of code: Linux takes 128 KiB in one argument, and encoding adds a third."""
_STRINGS = {
    tokenize.STRING,
    getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING),
    getattr(tokenize, "FSTRING_END", tokenize.STRING),
}
_CHANGED = frozenset("$`\\")
"""Characters that a shell expands between double quotes."""
IN_THE_SDK: Final = frozenset(
    {"name", "nodes", "gpus", "cpus", "memory", "runtime", "image", "env", "deadline", "context", "namespace"}
)
"""Options with an argument of the SDK, or a place in the code. ``name``: the SDK chooses its own."""
_HERE_END = "EOM"
_DYNAMIC = frozenset({"globals", "locals", "vars", "exec", "eval"})
"""Calls that see another world inside of a function."""
_ENCODED = """\
# Sent encoded: the SDK would alter this text, or it cannot be the body of a function.
CELL = {cell}


def train(cell):
    import base64

    exec(compile(base64.b64decode(cell), "cell", "exec"), globals())"""


def as_sdk(connection: Connection, trainjob: KubeObject) -> str:
    """Return Python code that sends the job with ``TrainerClient.train``, as far as the SDK supports it."""
    job = StoredJob(connection, trainjob)
    job_options, manifest = stored_options(job), job.manifest
    if job_options.get("procs_per_node") == 1:
        del job_options["procs_per_node"]  # The SDK has the same default.
    head = [f"{job.name} as code for Kubeflow's SDK (pip install kubeflow==0.5.0)."]
    if connection.embedded:
        head.append("Here: export KUBECONFIG=$(jupyter trainjob cluster kubeconfig | tail -1)")
    deadline = job.spec.get("activeDeadlineSeconds")
    options = [] if deadline is None else [f"ActiveDeadlineSeconds({deadline})"]
    if manifest is None:
        function, trainer = "", "CustomTrainerContainer"
        arguments = {"image": repr(job_options.get("image", ""))}
        options += [f"TrainerCommand({job.trainer['command']!r})"] if job.trainer.get("command") else []
        options += [f"TrainerArgs({job.trainer['args']!r})"] if job.trainer.get("args") else []
    else:
        function, trainer = _function(program_source.program_text(manifest)), "CustomTrainer"
        arguments = {"func": "train"}
        if function.startswith("#"):
            arguments["func_args"] = '{"cell": base64.b64encode(CELL.encode()).decode()}'
        arguments |= {"image": repr(job_options["image"])} if job_options.get("image") else {}
    arguments |= _size(job, job_options)
    names = sorted({option.partition("(")[0] for option in options})
    where = f"context={connection.name!r}, namespace={job.namespace!r}"
    call = [
        f"client = TrainerClient(KubernetesBackendConfig({where}))",
        "name = client.train(",
        f"    runtime=client.get_runtime({job_options['runtime']!r}),",
        f"    trainer={trainer}(",
        *(f"        {name}={value}," for name, value in arguments.items()),
        "    ),",
        *([f"    options=[{', '.join(options)}],"] if options else []),
        ")",
        "print(name)",
    ]
    imports = [f"from kubeflow.trainer import {trainer}, KubernetesBackendConfig, TrainerClient"]
    imports += [f"from kubeflow.trainer.options import {', '.join(names)}"] if names else []
    comments = [_comment(line) for line in [*head, *_left_out(job, job_options)]]
    imports = ["import base64", "", *imports] if "func_args" in arguments else imports
    parts = ["\n".join(comments), "\n".join(imports), *([f"\n{function}\n"] if function else []), "\n".join(call)]
    return "\n\n".join(parts) + "\n"


def _function(code: str) -> str:
    """Return the definition of ``train()`` that runs `code`."""
    if len(code.encode()) > LONGEST:
        raise errors.UsageError(
            f"The code is too long for the SDK: {len(code.encode()):,} bytes, and a command holds {LONGEST:,}. Copy "
            "the job as YAML, or send it again with rerun()."
        )
    as_body = f"def train():\n{_indented(code).rstrip()}" if not _CHANGED & set(code) else ""
    if as_body and _may_be_a_body(code, as_body):
        return as_body
    quotes = next((quotes for quotes in ("'''", '"""') if quotes not in code), None)
    return _ENCODED.format(cell=repr(code) if quotes is None else f"r{quotes}{code}{quotes}")


def _may_be_a_body(code: str, as_body: str) -> bool:
    if any(line.strip() == _HERE_END for line in code.splitlines()):
        return False
    try:
        compile(as_body, "train", "exec", dont_inherit=True)
        tree = ast.parse(code)
    except SyntaxError:  # Star imports and imports from __future__ are not allowed in functions.
        return False
    return not any(
        isinstance(node, ast.Global) or (isinstance(node, ast.Name) and node.id in _DYNAMIC) for node in ast.walk(tree)
    )


def _indented(code: str) -> str:
    """Indent code by one level, except continuation lines of multi-line strings."""
    inside: set[int] = set()
    with contextlib.suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type in _STRINGS:
                inside.update(range(token.start[0] + 1, token.end[0] + 1))
    lines = code.splitlines(keepends=True)
    return "".join(
        line if number in inside or not line.strip() else f"    {line}" for number, line in enumerate(lines, start=1)
    )


def _size(job: StoredJob, options: Mapping[str, Any]) -> dict[str, str]:
    arguments = {"num_nodes": str(options["nodes"])} if "nodes" in options else {}
    resources: dict[str, int | str] = {}
    if "gpus" in options:
        resources["gpu" if job.gpu_resource == GPU else job.gpu_resource] = options["gpus"]
    if "cpus" in options:
        resources["cpu"] = options["cpus"]
    if "memory" in options and resources:
        resources["memory"] = options["memory"]
    if resources:
        arguments["resources_per_node"] = repr(resources)
    credentials = credential_scan.credential_kinds(job.raw_env)
    if env := {name: value for name, value in job.raw_env.items() if name not in credentials}:
        arguments["env"] = repr(env)
    return arguments


def _left_out(job: StoredJob, options: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each part of the job that the SDK code lacks, with a remedy."""
    if job.manifest is not None:
        if lost := program_source.missing_values(job.manifest):
            yield f"Not in here, since no text holds it: {', '.join(lost)}. Make or load it at the top of the code."
        yield "The SDK brings logs back; the value of the last expression and metrics stay in the job."
        if job.connection.embedded:
            yield (
                "It runs with the Python of the embedded cluster, in your home folder, where the SDK leaves a file "
                "with the name of this one."
            )
    for name, option in TABLE.items():
        if name not in IN_THE_SDK and options.get(name, option.default) != option.default:
            yield f"The SDK has no argument for {option.flag} {' '.join(option.type.words(options[name]))}."
    if "memory" in options and not {"gpus", "cpus"} & options.keys():
        yield (
            f"memory {options['memory']} is left out: the SDK limits it together with CPUs only; add both to "
            "resources_per_node."
        )
    if any("valueFrom" in variable for variable in job.trainer.get("env") or ()):
        yield "Variables that come from Secrets, ConfigMaps or fields are left out."
    if credentials := credential_scan.credential_kinds(job.raw_env):
        yield (
            f"Looks like a credential, so its value is left out: {', '.join(credentials)}. Set it in env=, or use a "
            "Secret."
        )
    if job.spec.get("initializer"):
        yield "The initializer is left out: see Initializer in the SDK."
    if any(patch["manager"] != PATCH_MANAGER for patch in sender_patches(job.spec)):
        yield "The TrainJob's runtimePatches are left out: see RuntimePatch in the SDK."


def _comment(line: str) -> str:
    return "\n".join(f"# {row}" for row in textwrap.wrap(" ".join(line.split()), 110))
