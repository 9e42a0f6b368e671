"""A job as text that makes it again: the ``%%trainjob`` cell, YAML, or code for Kubeflow's SDK.

In: the TrainJob as it is stored, and the manifest of its bundle, which holds the cell's source and how the values that
it took can be written. Out: text. What was asked for is read off the TrainJob's fields, since those are what counts,
whoever wrote them; the cell's own line is only its comment.
"""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import SECRETS, TRAININGRUNTIMES, Object
from jupyter_trainjob.api.trainjobs import timeless
from jupyter_trainjob.bundle import copying, credentials, storage
from jupyter_trainjob.bundle.delivery import as_handed_on
from jupyter_trainjob.client import magicline, program
from jupyter_trainjob.client.amounts import span
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.options import identifier
from jupyter_trainjob.constants import DEFAULT_RUNTIME, RUNTIME_ANNOTATION, SENT_ANNOTATION, VARIABLE_ANNOTATION
from jupyter_trainjob.worker.manifest import CELL, Manifest
from jupyter_trainjob.worker.protocol import CAPTURES_ENV, FOLDER_ENV, STORAGE_ENV


@dataclass(frozen=True)
class Asked:
    """What a job asks for, in the words of the options; None and empty: nothing was said."""

    name: str
    runtime: str
    nodes: int | None
    gpus: int | None
    gpu_kind: str
    cpus: str | None
    memory: str | None
    procs_per_node: int | None
    image: str | None
    env: dict[str, str]
    """As Kubernetes reads it, where ``$$`` may stand for a dollar sign."""
    deadline: int | None
    retries: int
    storage: str | None = None


def as_magic(connection: Connection, trainjob: Object) -> str:
    """Return the cell of a job with a line of options that asks for what the job has.

    Raises `errors.UsageError` for a job that was no cell, or whose bundle is gone.
    """
    manifest = manifest_of(connection, trainjob)
    name = trainjob["metadata"]["name"]
    if manifest is None:
        raise errors.UsageError(
            f"{name} was not sent by a cell: its program stands in its YAML. Copy it as YAML, or send it again with "
            "rerun()."
        )
    if manifest.kind != CELL:
        raise errors.UsageError(
            f"{name} was not sent by a cell but by submit() or @trainjob, as a call of {manifest.filename} with values "
            "that no text holds. Send it again with rerun(), or copy it as code for the SDK."
        )
    asked = asked_of(connection, trainjob)
    words = [asked.name]
    for option, value, default in (
        ("--nodes", asked.nodes, 1),
        ("--gpus", asked.gpus, None),
        ("--cpus", asked.cpus, None),
        ("--memory", asked.memory, None),
        # One for each GPU is what is meant where nothing is said.
        ("--procs-per-node", asked.procs_per_node, asked.gpus),
        ("--runtime", asked.runtime, DEFAULT_RUNTIME),
        ("--image", asked.image, None),
        ("--deadline", None if asked.deadline is None else span(asked.deadline), None),
        ("--retries", asked.retries, 0),
        ("--storage", asked.storage, None),
        ("--out", ",".join(manifest.out), ""),
        *(("--file", name, None) for name in manifest.files),
        ("--context", connection.name, None if not connection.embedded else connection.name),
        ("--namespace", trainjob["metadata"]["namespace"], connection.default_namespace),
    ):
        if value is not None and value != default:
            words += [option, str(value)]
    for secret in manifest.secrets:
        words += ["--secret", secret.name if secret.name == secret.env else f"{secret.name}={secret.env}"]
    # What the TrainJob shows to its readers need not stand in a notebook as well.
    told = credentials.kinds_of(asked.env)
    for variable, value in asked.env.items():
        words += ["--secret", variable] if variable in told else ["--env", f"{variable}={as_handed_on(value)}"]
    return f"{magicline.line(words)}\n{program.cell(manifest)}"


def as_yaml(trainjob: Object) -> str:
    """Return a TrainJob as ``kubectl create -f`` takes it: without the server's own fields."""
    import yaml

    metadata = trainjob["metadata"]
    kept = {key: metadata[key] for key in ("name", "namespace", "labels", "annotations") if metadata.get(key)}
    if "annotations" in kept:
        kept["annotations"] = {key: said for key, said in kept["annotations"].items() if key != SENT_ANNOTATION}
    spec = dict(trainjob["spec"])
    if spec.get("runtimePatches"):
        spec["runtimePatches"] = [timeless(patch) for patch in spec["runtimePatches"]]
    submitted = {
        "apiVersion": trainjob["apiVersion"],
        "kind": trainjob["kind"],
        "metadata": kept,
        "spec": spec,
    }
    note = ""
    if mounted := copying.mounted(trainjob["spec"]):
        note = (
            f"# The program and its values are in the Secrets that this mounts: {', '.join(mounted)}.\n"
            f"# They are deleted together with the TrainJob {metadata['name']}.\n"
        )
    return note + str(yaml.safe_dump(submitted, sort_keys=False, allow_unicode=True))


def manifest_of(connection: Connection, trainjob: Object) -> Manifest | None:
    """Return what a job's bundle says of itself; None for a job without one.

    Raises `errors.UsageError` where the Secret with it is gone.
    """
    names = copying.mounted(trainjob["spec"])
    for name in names:
        secret = connection.client.find(SECRETS, name, namespace=trainjob["metadata"]["namespace"])
        if secret is None:
            raise errors.UsageError(
                f"The cell of {trainjob['metadata']['name']} is gone: the Secret {name}, which held it, was deleted, "
                "most likely together with the job."
            )
        if (found := copying.manifest(secret)) is not None:
            return found
    return None


def asked_of(connection: Connection, trainjob: Object) -> Asked:
    """Return what a job asks for."""
    metadata, spec = trainjob["metadata"], trainjob["spec"]
    annotations = metadata.get("annotations") or {}
    variable = str(annotations.get(VARIABLE_ANNOTATION, ""))
    trainer = spec.get("trainer") or {}
    wanted = (trainer.get("resourcesPerNode") or {}).get("requests") or {}
    gpus = [(name, amount) for name, amount in wanted.items() if name.endswith("/gpu")]
    processes = trainer.get("numProcPerNode")
    return Asked(
        # Whoever may write a TrainJob may write this; only a name is safe to stand where code is pasted.
        name=variable if variable.isidentifier() and variable.isascii() else identifier(metadata["name"]),
        runtime=str(annotations.get(RUNTIME_ANNOTATION) or spec["runtimeRef"]["name"]),
        nodes=trainer.get("numNodes"),
        gpus=int(gpus[0][1]) if gpus else None,
        gpu_kind=gpus[0][0] if gpus else "",
        # A request of none stands beside a limit that binds nothing (see `resources`).
        cpus=None if str(wanted.get("cpu", "0")) == "0" else str(wanted["cpu"]),
        memory=None if "memory" not in wanted else str(wanted["memory"]),
        procs_per_node=processes if isinstance(processes, int) else None,
        image=trainer.get("image"),
        env={
            str(each["name"]): str(each["value"])
            for each in trainer.get("env") or ()
            if "value" in each and each["name"] not in (CAPTURES_ENV, FOLDER_ENV, STORAGE_ENV)
        },
        deadline=spec.get("activeDeadlineSeconds"),
        retries=_retries(connection, trainjob) if RUNTIME_ANNOTATION in annotations else 0,
        storage=stored.above().url if (stored := storage.of(spec)) is not None else None,
    )


def _retries(connection: Connection, trainjob: Object) -> int:
    own = trainjob["spec"]["runtimeRef"]["name"]
    found = connection.client.find(TRAININGRUNTIMES, own, namespace=trainjob["metadata"]["namespace"])
    policy = (found or {}).get("spec", {}).get("template", {}).get("spec", {}).get("failurePolicy") or {}
    return int(policy.get("maxRestarts") or 0)
