"""`StoredJob`: read the options of a job from its TrainJob, its bundle and its runtime.

The TrainJob's fields are authoritative, also for jobs created from YAML; the line of the cell is only a comment.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import SECRETS, TRAININGRUNTIMES, KubeObject
from jupyter_trainjob.constants import RUNTIME_ANNOTATION, VARIABLE_ANNOTATION

if TYPE_CHECKING:
    from jupyter_trainjob.client.context import Connection
    from jupyter_trainjob.worker.manifest import Manifest


class StoredJob:
    """A TrainJob as the API server stores it."""

    def __init__(self, connection: Connection, trainjob: KubeObject) -> None:
        self.connection = connection
        self.trainjob = trainjob
        self.name: str = trainjob["metadata"]["name"]
        self.namespace: str = trainjob["metadata"]["namespace"]
        self.annotations: dict[str, str] = trainjob["metadata"].get("annotations") or {}
        self.labels: dict[str, str] = trainjob["metadata"].get("labels") or {}
        self.spec: KubeObject = trainjob["spec"]
        self.trainer: KubeObject = self.spec.get("trainer") or {}
        self.requests: dict[str, Any] = (self.trainer.get("resourcesPerNode") or {}).get("requests") or {}

    @cached_property
    def manifest(self) -> Manifest | None:
        """The contents of the job's bundle; None for a job without one.

        Raises `errors.UsageError` where its Secret is gone.
        """
        from jupyter_trainjob.bundle import bundle_copy

        for name in bundle_copy.mounted_secrets(self.spec):
            secret = self.connection.client.find(SECRETS, name, namespace=self.namespace)
            if secret is None:
                raise errors.UsageError(
                    f"The cell of {self.name} is gone: the Secret {name}, which held it, was deleted, most likely "
                    "together with the job."
                )
            if (manifest := bundle_copy.manifest_of_secret(secret)) is not None:
                return manifest
        return None

    @property
    def variable(self) -> str:
        """The notebook variable of the job, or the nearest valid name for it."""
        from jupyter_trainjob.client.spec.job_names import nearest_name

        variable = self.annotations.get(VARIABLE_ANNOTATION, "")
        # Anybody with write access may set this annotation, and it ends up in code that is pasted: only names are safe.
        return variable if variable.isidentifier() and variable.isascii() else nearest_name(self.name)

    @property
    def runtime(self) -> str:
        """The name of the requested runtime, even if the job uses its own copy."""
        return self.annotations.get(RUNTIME_ANNOTATION) or str(self.spec["runtimeRef"]["name"])

    @property
    def gpu_resource(self) -> str:
        """The resource name of the GPUs that the job requests, such as ``nvidia.com/gpu``; empty without any."""
        return next((name for name in self.requests if name.endswith("/gpu")), "")

    @property
    def gpus(self) -> int | None:
        """The GPUs of each node."""
        return int(self.requests[self.gpu_resource]) if self.gpu_resource else None

    @property
    def cpus(self) -> str | None:
        """The CPUs of each node. A zero request accompanies a limit without effect (see `resource_requests`)."""
        cpus = str(self.requests.get("cpu", "0"))
        return None if cpus == "0" else cpus

    @property
    def memory(self) -> str | None:
        """The memory of each node."""
        return str(self.requests["memory"]) if "memory" in self.requests else None

    @property
    def procs_per_node(self) -> int | None:
        """The processes of each node; None for one per GPU, which is the default."""
        processes = self.trainer.get("numProcPerNode")
        return processes if isinstance(processes, int) and processes != self.gpus else None

    @property
    def raw_env(self) -> dict[str, str]:
        """The environment variables as Kubernetes stores them, with ``$$`` for a dollar sign."""
        from jupyter_trainjob.worker.protocol import BUNDLE_ENV, LINGER_ENV

        return {
            str(variable["name"]): str(variable.get("value") or "")
            for variable in self.trainer.get("env") or ()
            if "valueFrom" not in variable and variable["name"] not in BUNDLE_ENV | {LINGER_ENV}
        }

    @property
    def env(self) -> dict[str, str]:
        """The environment variables as a program gets them, with a single dollar sign."""
        from jupyter_trainjob.bundle.delivery import unescape_env

        return {name: unescape_env(value) for name, value in self.raw_env.items()}

    @property
    def deadline(self) -> str | None:
        """The deadline, such as ``2h30m``."""
        from jupyter_trainjob.client.spec.units import format_duration

        seconds = self.spec.get("activeDeadlineSeconds")
        return None if seconds is None else format_duration(seconds)

    @property
    def linger(self) -> str | None:
        """The time that threads and processes of the cell may run on after its end, such as ``10m``."""
        from jupyter_trainjob.client.spec.units import format_duration
        from jupyter_trainjob.worker.protocol import LINGER_ENV

        values = [entry.get("value") for entry in self.trainer.get("env") or () if entry["name"] == LINGER_ENV]
        return format_duration(int(values[0])) if values and str(values[0]).isdigit() else None

    @property
    def retries(self) -> int:
        """The number of restarts after a failure, from the job's own copy of its runtime."""
        if RUNTIME_ANNOTATION not in self.annotations:
            return 0
        copy = self.connection.client.find(TRAININGRUNTIMES, self.spec["runtimeRef"]["name"], namespace=self.namespace)
        policy = (copy or {}).get("spec", {}).get("template", {}).get("spec", {}).get("failurePolicy") or {}
        return int(policy.get("maxRestarts") or 0)

    @property
    def storage(self) -> str | None:
        """The location in which the job's folder was created."""
        from jupyter_trainjob.bundle import storage_location

        location = storage_location.storage_of_job(self.spec)
        return None if location is None else location.parent().url

    @property
    def out(self) -> tuple[str, ...]:
        """The names of ``--out``, whose values rank 0 returns."""
        return () if self.manifest is None else tuple(self.manifest.out)

    @property
    def files(self) -> tuple[str, ...]:
        """The paths and patterns of the files in the bundle."""
        return () if self.manifest is None else tuple(self.manifest.files)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The environment variables from a Secret, as ``NAME`` or ``NAME=ENV``."""
        secrets = () if self.manifest is None else self.manifest.secrets
        return tuple(secret.name if secret.name == secret.env else f"{secret.name}={secret.env}" for secret in secrets)
