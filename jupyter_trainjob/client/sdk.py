"""A job as code for Kubeflow's SDK (0.5): text in, text out; the SDK is not imported.

The SDK ships the source of one function, through a shell that reads it as text between double quotes: dollar signs,
backquotes and backslashes would change on their way. So a cell with any of these, or one that cannot be the body of a
function, travels encoded, as an argument. Names of the notebook that the cell takes are written out where a recipe
tells how; the others, and whatever else has no place in the SDK, are named in comments.
"""

from __future__ import annotations

import ast
import contextlib
import io
import textwrap
import tokenize
from collections.abc import Iterator

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.bundle import credentials
from jupyter_trainjob.client import exports, program
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.exports import Asked
from jupyter_trainjob.client.resources import GPU
from jupyter_trainjob.constants import PATCH_MANAGER
from jupyter_trainjob.worker.manifest import Manifest

LONGEST = 90_000
"""Bytes of code: Linux takes 128 KiB in one argument, and encoding adds a third."""
_STRINGS = {
    tokenize.STRING,
    getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING),
    getattr(tokenize, "FSTRING_END", tokenize.STRING),
}
_CHANGED = frozenset("$`\\")
"""What a shell reads between double quotes."""
_HERE_END = "EOM"
_DYNAMIC = frozenset({"globals", "locals", "vars", "exec", "eval"})
"""Calls that see another world inside of a function."""
_ENCODED = """\
# The SDK would change this on its way, or it cannot be the body of a function: it travels encoded.
CELL = {cell}


def train(cell):
    import base64

    exec(compile(base64.b64decode(cell), "cell", "exec"), globals())"""


def as_sdk(connection: Connection, trainjob: Object) -> str:
    """Return Python code that sends the job with ``TrainerClient.train``, as far as the SDK has a place for it."""
    asked, manifest = exports.asked_of(connection, trainjob), exports.manifest_of(connection, trainjob)
    metadata, given = trainjob["metadata"], trainjob["spec"].get("trainer") or {}
    head = [f"{metadata['name']} as code for Kubeflow's SDK (pip install kubeflow==0.5.0)."]
    if connection.embedded:
        head.append("Here: export KUBECONFIG=$(jupyter trainjob cluster kubeconfig | tail -1)")
    options = [] if asked.deadline is None else [f"ActiveDeadlineSeconds({asked.deadline})"]
    if manifest is None:
        function, trainer = "", "CustomTrainerContainer"
        arguments = {"image": repr(asked.image or "")}
        options += [f"TrainerCommand({given['command']!r})"] if given.get("command") else []
        options += [f"TrainerArgs({given['args']!r})"] if given.get("args") else []
    else:
        function, trainer = _function(program.text(manifest)), "CustomTrainer"
        arguments = {"func": "train"}
        if function.startswith("#"):
            arguments["func_args"] = '{"cell": base64.b64encode(CELL.encode()).decode()}'
        arguments |= {"image": repr(asked.image)} if asked.image else {}
    arguments |= _size(asked)
    names = sorted({option.partition("(")[0] for option in options})
    where = f"context={connection.name!r}, namespace={metadata['namespace']!r}"
    call = [
        f"client = TrainerClient(KubernetesBackendConfig({where}))",
        "name = client.train(",
        f"    runtime=client.get_runtime({asked.runtime!r}),",
        f"    trainer={trainer}(",
        *(f"        {name}={value}," for name, value in arguments.items()),
        "    ),",
        *([f"    options=[{', '.join(options)}],"] if options else []),
        ")",
        "print(name)",
    ]
    imports = [f"from kubeflow.trainer import {trainer}, KubernetesBackendConfig, TrainerClient"]
    imports += [f"from kubeflow.trainer.options import {', '.join(names)}"] if names else []
    comments = [_comment(line) for line in [*head, *_left_out(trainjob, asked, manifest, embedded=connection.embedded)]]
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
    except SyntaxError:  # As a star import is, or one from __future__.
        return False
    return not any(
        isinstance(node, ast.Global) or (isinstance(node, ast.Name) and node.id in _DYNAMIC) for node in ast.walk(tree)
    )


def _indented(code: str) -> str:
    """Return code one level deeper; lines that a string goes on in stay as they are."""
    inside: set[int] = set()
    with contextlib.suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type in _STRINGS:
                inside.update(range(token.start[0] + 1, token.end[0] + 1))
    lines = code.splitlines(keepends=True)
    return "".join(
        line if number in inside or not line.strip() else f"    {line}" for number, line in enumerate(lines, start=1)
    )


def _size(asked: Asked) -> dict[str, str]:
    found = {} if asked.nodes is None else {"num_nodes": str(asked.nodes)}
    wanted: dict[str, int | str] = {}
    if asked.gpus is not None:
        wanted["gpu" if asked.gpu_kind == GPU else asked.gpu_kind] = asked.gpus
    if asked.cpus is not None:
        wanted["cpu"] = asked.cpus
    if asked.memory is not None and wanted:
        wanted["memory"] = asked.memory
    if wanted:
        found["resources_per_node"] = repr(wanted)
    left = credentials.kinds_of(asked.env)
    if plain := {name: value for name, value in asked.env.items() if name not in left}:
        found["env"] = repr(plain)
    return found


def _left_out(trainjob: Object, asked: Asked, manifest: Manifest | None, *, embedded: bool) -> Iterator[str]:
    """Yield what does not travel, and what to do about it."""
    spec = trainjob["spec"]
    if manifest is not None:
        if lost := program.missing(manifest):
            yield f"Not in here, since no text holds it: {', '.join(lost)}. Make or load it at the top of the code."
        yield "The SDK brings logs back; the value of the last expression, --out and metrics stay in the job."
        if embedded:
            yield (
                "It runs with the Python of the embedded cluster, in your home folder, where the SDK leaves a file "
                "with the name of this one."
            )
    if asked.procs_per_node not in (None, asked.gpus, 1):
        yield f"The SDK has no option for processes of a node ({asked.procs_per_node}): the runtime decides."
    if asked.retries:
        yield f"The SDK has no option for retries ({asked.retries}): they are a property of a runtime."
    if asked.memory is not None and asked.gpus is None and asked.cpus is None:
        yield (
            f"memory {asked.memory} is left out: the SDK limits it together with CPUs only; add both to "
            "resources_per_node."
        )
    if any("valueFrom" in each for each in (spec.get("trainer") or {}).get("env") or ()):
        yield "Variables that come from Secrets, ConfigMaps or fields are left out."
    if left := credentials.kinds_of(asked.env):
        yield f"Looks like a credential, so its value is left out: {', '.join(left)}. Set it in env=, or use a Secret."
    if spec.get("initializer"):
        yield "The initializer is left out: see Initializer in the SDK."
    others = sum(patch.get("manager") != PATCH_MANAGER for patch in spec.get("runtimePatches") or ())
    if others:
        yield "The TrainJob's runtimePatches are left out: see RuntimePatch in the SDK."


def _comment(line: str) -> str:
    return "\n".join(f"# {row}" for row in textwrap.wrap(" ".join(line.split()), 110))
