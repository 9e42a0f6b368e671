"""The options of a job, each declared once.

`JobOptions` is the table of options. ``%%trainjob``, `submit`, ``@trainjob``, `TrainJob.fork`, the form of JupyterLab,
exports of a job and the documentation's page of options are generated from its entries. To add an option, add an entry:
its Python type, and an `Option` with its default, help, checks, place in the form, and the field of the TrainJob that
it is written to and read from.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypedDict, TypeVar, cast, get_args, get_type_hints

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.client.spec import units
from jupyter_trainjob.client.spec.job_names import check_name
from jupyter_trainjob.client.spec.option_types import Names, OptionType, TextList, Variables, WholeNumber
from jupyter_trainjob.client.spec.stored_job import StoredJob
from jupyter_trainjob.constants import CONTEXT_ENV, DEFAULT_RUNTIME, INDEXED_PODS_LIMIT
from jupyter_trainjob.worker.protocol import LINGER_ENV

RANK_VARIABLES: Final = frozenset({"RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "JOB_COMPLETION_INDEX"})
"""Environment variables that identify a rank."""
TEXT: Final = OptionType()


@dataclass(frozen=True)
class FormField:
    """The field of an option in JupyterLab's form."""

    label: str
    hint: str = ""
    """Shown while the field is empty."""
    group: Literal["", "size", "more"] = "more"
    """The section of the form: the top, the sizes, or *More*."""
    kind: Literal["text", "lines", "runtime"] = "text"
    """A line of text, several lines, or a choice among the cluster's runtimes."""
    is_setting: bool = False
    """Whether JupyterLab's settings have a value that the form begins with."""


@dataclass(frozen=True)
class Option:
    """One entry of the table."""

    help: str
    metavar: str
    flag: str
    """The flag in a line of ``%%trainjob``; empty for the name, which is positional."""
    type: OptionType = TEXT
    default: Any = None
    check: Callable[[Any], object] | None = None
    """Raises `errors.UsageError` for a value that is of the option's type and cannot be meant."""
    form: FormField | None = None
    write: Callable[[KubeObject, Any], None] | None = None
    """Put a value into a new TrainJob. None where `assemble` or `delivery` combines the option with others."""
    read: Callable[[StoredJob], Any] = lambda _: None
    """Return the value of a job that was sent; None for the default."""
    cells_only: bool = False
    """Whether it means nothing for a function."""
    forkable: bool = True
    """Whether `TrainJob.fork` may change it."""


def _check_nodes(nodes: int) -> None:
    if nodes > INDEXED_PODS_LIMIT:
        raise errors.UsageError(
            f"{nodes:,} nodes are too many: a Job of Kubernetes has at most {INDEXED_PODS_LIMIT:,} pods. "
            "Nothing was sent."
        )


def _check_image(image: str) -> None:
    if not image or image != "".join(image.split()):
        raise errors.UsageError(
            f"{image!r} cannot be the name of an image: write it as for `docker pull`, without spaces, such as "
            "pytorch/pytorch:2.13.0-cuda13.0-cudnn9-runtime."
        )


def _check_env(env: Mapping[str, str]) -> None:
    for name in RANK_VARIABLES & env.keys():
        raise errors.UsageError(
            f"--env {name}={env[name]}: each rank has a {name} of its own, which the launcher sets. Choose another "
            "name."
        )


def _check_storage(storage: str) -> None:
    from jupyter_trainjob.bundle import storage_location

    storage_location.parse_storage(storage)


def _write_nodes(trainjob: KubeObject, nodes: int) -> None:
    trainjob["spec"]["trainer"]["numNodes"] = nodes


def _write_image(trainjob: KubeObject, image: str) -> None:
    trainjob["spec"]["trainer"]["image"] = image


def _write_deadline(trainjob: KubeObject, deadline: str | float | timedelta) -> None:
    trainjob["spec"]["activeDeadlineSeconds"] = units.duration(deadline)


def _check_linger(linger: str | float | timedelta) -> None:
    units.duration(linger, "linger")


def _write_linger(trainjob: KubeObject, linger: str | float | timedelta) -> None:
    variable = {"name": LINGER_ENV, "value": str(units.duration(linger, "linger"))}
    trainjob["spec"]["trainer"]["env"].append(variable)


class JobOptions(TypedDict, total=False):
    """The options of a job by their names in Python. Resources are those of one node."""

    name: Annotated[
        str,
        Option(
            "variable that holds the job (default: job)",
            metavar="NAME",
            flag="",
            default="job",
            check=check_name,
            form=FormField("Name", "job", group=""),
            read=lambda job: job.variable,
        ),
    ]
    nodes: Annotated[
        int,
        Option(
            "number of nodes (default: 1)",
            metavar="N",
            flag="--nodes",
            type=WholeNumber(least=1),
            default=1,
            check=_check_nodes,
            form=FormField("Nodes", "1", group="size", is_setting=True),
            write=_write_nodes,
            read=lambda job: job.trainer.get("numNodes"),
        ),
    ]
    gpus: Annotated[
        int | None,
        Option(
            "GPUs of each node",
            metavar="G",
            flag="--gpus",
            type=WholeNumber(),
            form=FormField("GPUs per node", "none", group="size", is_setting=True),
            read=lambda job: job.gpus,
        ),
    ]
    cpus: Annotated[
        str | float | None,
        Option(
            "CPUs of each node, such as 4, 0.5 or 500m",
            metavar="C",
            flag="--cpus",
            check=units.cpus,
            form=FormField("CPUs per node", "as the runtime", group="size", is_setting=True),
            read=lambda job: job.cpus,
        ),
    ]
    memory: Annotated[
        str | int | None,
        Option(
            "memory of each node, such as 4Gi; a node that exceeds it is killed",
            metavar="M",
            flag="--memory",
            check=units.memory,
            form=FormField("Memory per node", "such as 4Gi", group="size", is_setting=True),
            read=lambda job: job.memory,
        ),
    ]
    procs_per_node: Annotated[
        int | None,
        Option(
            "ranks on each node (default: one for each GPU, else one)",
            metavar="P",
            flag="--procs-per-node",
            type=WholeNumber(least=1),
            form=FormField("Processes per node", "one for each GPU, else one"),
            read=lambda job: job.procs_per_node,
        ),
    ]
    runtime: Annotated[
        str,
        Option(
            f"training runtime (default: {DEFAULT_RUNTIME})",
            metavar="R",
            flag="--runtime",
            default=DEFAULT_RUNTIME,
            form=FormField("Runtime", group="", kind="runtime", is_setting=True),
            read=lambda job: job.runtime,
        ),
    ]
    image: Annotated[
        str | None,
        Option(
            "container image (default: the runtime's); recorded but not used by the embedded cluster",
            metavar="I",
            flag="--image",
            check=_check_image,
            form=FormField("Image", "of the runtime"),
            write=_write_image,
            read=lambda job: job.trainer.get("image"),
        ),
    ]
    env: Annotated[
        Mapping[str, str],
        Option(
            "environment variable of every rank; repeatable",
            metavar="K=V",
            flag="--env",
            type=Variables(),
            default=MappingProxyType({}),
            check=_check_env,
            form=FormField("Environment", "NAME=VALUE, a line each", kind="lines"),
            read=lambda job: job.env,
        ),
    ]
    deadline: Annotated[
        str | float | timedelta | None,
        Option(
            "time limit of the job, including the wait for resources: 45m, 2h30m",
            metavar="D",
            flag="--deadline",
            check=units.duration,
            form=FormField("Deadline", "none, such as 2h30m"),
            write=_write_deadline,
            read=lambda job: job.deadline,
        ),
    ]
    linger: Annotated[
        str | float | timedelta | None,
        Option(
            "time that threads and child processes of the cell may run on after its last line (default: 10s)",
            metavar="D",
            flag="--linger",
            check=_check_linger,
            write=_write_linger,
            read=lambda job: job.linger,
        ),
    ]
    retries: Annotated[
        int,
        Option(
            "number of times to restart the whole job after a failure",
            metavar="N",
            flag="--retries",
            type=WholeNumber(),
            default=0,
            form=FormField("Retries", "0"),
            read=lambda job: job.retries,
        ),
    ]
    out: Annotated[
        Sequence[str],
        Option(
            "names to return from rank 0, as NAME.out['A']",
            metavar="A,B",
            flag="--out",
            type=Names(),
            default=(),
            form=FormField("Names to bring back", "weights, history"),
            read=lambda job: job.out,
            cells_only=True,
            forkable=False,
        ),
    ]
    secrets: Annotated[
        Sequence[str],
        Option(
            "variable of the notebook, or of its environment, to send in a Secret; repeatable",
            metavar="NAME[=ENV]",
            flag="--secret",
            type=TextList(),
            default=(),
            form=FormField("Secrets", "NAME, NAME=ENV"),
            read=lambda job: job.secrets,
            forkable=False,
        ),
    ]
    files: Annotated[
        Sequence[str],
        Option(
            "file or folder to send with the job; repeatable",
            metavar="PATH",
            flag="--file",
            type=TextList(),
            default=(),
            read=lambda job: job.files,
            forkable=False,
        ),
    ]
    storage: Annotated[
        str | None,
        Option(
            "store for checkpoints and output: pvc://CLAIM[/path], s3://…, gs://…, file:///…",
            metavar="S",
            flag="--storage",
            check=_check_storage,
            form=FormField("Storage", "pvc://CLAIM, s3://…", is_setting=True),
            read=lambda job: job.storage,
            forkable=False,
        ),
    ]
    context: Annotated[
        str | None,
        Option(
            f"context of your kubeconfig (default: {CONTEXT_ENV}, else this computer)",
            metavar="C",
            flag="--context",
            read=lambda job: None if job.connection.embedded else job.connection.name,
            forkable=False,
        ),
    ]
    namespace: Annotated[
        str | None,
        Option(
            "namespace (default: the context's)",
            metavar="NS",
            flag="--namespace",
            read=lambda job: None if job.namespace == job.connection.default_namespace else job.namespace,
            forkable=False,
        ),
    ]


TABLE: Final[dict[str, Option]] = {
    name: get_args(hint)[1] for name, hint in get_type_hints(JobOptions, include_extras=True).items()
}
"""The options by name, in the order in which help, lines and forms show them."""

Function = TypeVar("Function", bound=Callable[..., Any])


def job_options(**values: Any) -> JobOptions:
    """Return the options of a job: the values that are not None, and the defaults of the others.

    Raises `errors.UsageError` for an unknown option and for an invalid value.

    >>> job_options(nodes=2)["runtime"]
    'torch-distributed'
    """
    for name in values.keys() - TABLE.keys():
        near = errors.did_you_mean(name, TABLE) or (
            f" Available: {', '.join(TABLE)}. Pass arguments of the function as args=[…] and kwargs={{…}}."
        )
        raise errors.UsageError(f"There is no option {name!r}.{near}")
    options = {name: option.default if values.get(name) is None else values[name] for name, option in TABLE.items()}
    for name, option in TABLE.items():
        if values.get(name) is not None:
            option.type.check(name, options[name])
            if option.check is not None:
                option.check(options[name])
    from jupyter_trainjob.bundle import job_secrets

    job_secrets.check_names(options["secrets"], options["env"])
    return cast("JobOptions", options)


def write_options(trainjob: KubeObject, options: Mapping[str, object]) -> None:
    """Write the options that have their own field into a new TrainJob."""
    for name, option in TABLE.items():
        if option.write is not None and options[name] is not None:
            option.write(trainjob, options[name])


def stored_options(job: StoredJob) -> dict[str, Any]:
    """Return the options of a stored job, without those that the TrainJob does not contain."""
    values = {name: option.read(job) for name, option in TABLE.items()}
    return {name: value for name, value in values.items() if value is not None}


def option_words(options: Mapping[str, Any]) -> list[str]:
    """Return the words of a ``%%trainjob`` line for `options`: the name, then the options that are not the default.

    >>> option_words({"name": "digits", "nodes": 8, "env": {"A": "1"}})
    ['digits', '--nodes', '8', '--env', 'A=1']
    """
    line = []
    for name, option in TABLE.items():
        value = options.get(name)
        if value is not None and (value != option.default or not option.flag):
            line += flag_words(option, option.type.words(value))
    return line


def flag_words(option: Option, values: Sequence[str]) -> list[str]:
    """Return values after the option's flag; joined to it if argparse would take the value for an option."""
    if not option.flag:
        return [*values]
    pairs = [[f"{option.flag}={value}"] if value.startswith("-") else [option.flag, value] for value in values]
    return [word for pair in pairs for word in pair]


def show_options(function: Function) -> Function:
    """Replace ``**options`` by the options of a function in its signature, for help and completion in a notebook."""
    signature = inspect.signature(function)
    fixed = [
        parameter for parameter in signature.parameters.values() if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    hints = get_type_hints(JobOptions)
    keywords = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option.default, annotation=hints.get(name, Any))
        for name, option in TABLE.items()
        if not option.cells_only
    ]
    function.__signature__ = signature.replace(parameters=[*fixed, *keywords])  # type: ignore[attr-defined]
    return function
