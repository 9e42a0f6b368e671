"""What a user may ask of a job, checked when it is said: nothing is sent for a wish that cannot be meant.

Comes from the magic's options or `submit`'s arguments; `submit` makes the TrainJob of it, `resources` its amounts.
"""

from __future__ import annotations

import keyword
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from jupyter_trainjob import errors
from jupyter_trainjob.api.names import SUFFIX_LENGTH
from jupyter_trainjob.bundle import secret, storage
from jupyter_trainjob.client import amounts
from jupyter_trainjob.constants import DEFAULT_RUNTIME

MAX_NAME = 40
"""JobSet derives names from the job's and refuses what grows beyond 63 characters."""
LONGEST_NAME = MAX_NAME - SUFFIX_LENGTH - 1
"""Of what a user chooses: a dash and a suffix follow."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user asks for; raises `errors.UsageError`. Resources are those of one node."""

    name: str = "job"
    nodes: int = 1
    gpus: int | None = None
    cpus: str | float | None = None
    """Number of CPUs, as in ``4``, ``0.5`` or ``500m``."""
    memory: str | int | None = None
    """As in ``4Gi``."""
    procs_per_node: int | None = None
    """Ranks on each node; default: one for each GPU, else one."""
    runtime: str = DEFAULT_RUNTIME
    image: str | None = None
    """Of a real cluster; the embedded one records it and runs the notebook's own Python."""
    env: Mapping[str, str] = field(default_factory=dict)
    deadline: str | float | timedelta | None = None
    """``2h30m``, or seconds: the job fails when it takes longer, waiting included."""
    retries: int = 0
    """How often the whole job starts again after a failure."""
    out: Sequence[str] = ()
    files: Sequence[str] = ()
    """Paths or patterns of files and folders that travel; the job then works in a folder that holds just these."""
    secrets: Sequence[str] = ()
    """``NAME`` or ``NAME=ENV``: variables of the notebook, else of its environment, that travel in a Secret."""
    storage: str | None = None
    """Where the folder of the job lies: ``pvc://CLAIM[/path]`` or a URL; default: on this computer, else nowhere."""
    context: str | None = None
    namespace: str | None = None

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or keyword.iskeyword(self.name) or not self.name.isascii():
            raise errors.UsageError(
                f"{self.name!r} cannot be the name of a job: it becomes a notebook variable, so it must be a Python "
                f"identifier of ASCII letters, digits and underscores, such as {identifier(self.name)!r}."
            )
        if len(self.name) > LONGEST_NAME:
            raise errors.UsageError(
                f"{self.name!r} is too long for the name of a job: at most {LONGEST_NAME} characters, since "
                f"Kubernetes derives longer names from it."
            )
        _whole("nodes", self.nodes, least=1)
        _whole("retries", self.retries, least=0)
        if self.gpus is not None:
            _whole("gpus", self.gpus, least=0)
        if self.procs_per_node is not None:
            _whole("procs_per_node", self.procs_per_node, least=1)
        self._check_text()
        # Said now, in the words of the option, rather than by the API server.
        if self.cpus is not None:
            amounts.cpus(self.cpus)
        if self.memory is not None:
            amounts.memory(self.memory)
        if self.storage is not None:
            storage.parse(self.storage)
        if self.deadline is not None:
            amounts.duration(self.deadline)

    def _check_text(self) -> None:
        if self.image is not None and (not self.image or self.image != "".join(self.image.split())):
            raise errors.UsageError(
                f"{self.image!r} cannot be the name of an image: write it as for `docker pull`, without spaces, such "
                "as pytorch/pytorch:2.13.0-cuda13.0-cudnn9-runtime."
            )
        for key in self.env:
            if not key or "=" in key or "\0" in key:
                raise errors.UsageError(f"{key!r} cannot be the name of an environment variable.")
        secret.check(self.secrets, self.env)


def identifier(text: str) -> str:
    """Return the nearest thing to `text` that can be the name of a job."""
    cleaned = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in text).strip("_") or "job"
    cleaned = cleaned if not cleaned[0].isdigit() else f"job_{cleaned}"
    cleaned = f"{cleaned}_" if keyword.iskeyword(cleaned) else cleaned
    return cleaned[:LONGEST_NAME]


def _whole(name: str, value: Any, *, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise errors.UsageError(f"{name} must be a whole number of at least {least}, not {value!r}.")
