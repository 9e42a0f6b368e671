"""The pod fields that the agent does not support, and their validation.

Fields that a program needs to work are rejected, so that the pod fails at once and with the reason. Fields that only
protect or place a program are ignored, with an event, so that a specification for a cluster runs unchanged. Volumes of
unknown kinds are rejected when they are created. All other fields are supported or, like the image, substituted.
``docs/reference/profile.md`` has the tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from jupyter_trainjob.api.resources import KubeObject


@dataclass(frozen=True, slots=True)
class UnsupportedField:
    """An unsupported field of a pod's spec, with the reason. ``[*]`` stands for every item of a list."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Findings:
    """Unsupported fields of a pod: `refused`: why it cannot run, empty if it can; `ignored`: fields with reasons."""

    refused: str = ""
    ignored: list[str] = field(default_factory=list)


REFUSED: Final = (
    UnsupportedField(
        "resourceClaims", "there is no dynamic allocation of devices; ask for nvidia.com/gpu in the limits"
    ),
    UnsupportedField("containers[*].volumeDevices", "there are no block devices; mount a volume as a folder"),
    UnsupportedField(
        "containers[*].lifecycle.postStart.exec", "commands cannot be run beside the program; start the command with it"
    ),
    UnsupportedField(
        "containers[*].readinessProbe.exec", "commands cannot be run beside the program; probe a port instead"
    ),
    UnsupportedField("containers[*].readinessProbe.grpc", "grpc is not supported; use tcpSocket or httpGet"),
)
"""Fields that a program may depend on: the pod fails at once."""

IGNORED: Final = (
    UnsupportedField("affinity.podAffinity", "there is one node"),
    UnsupportedField("affinity.podAntiAffinity", "there is one node"),
    UnsupportedField("affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution", "there is one node"),
    UnsupportedField("topologySpreadConstraints", "there is one node"),
    UnsupportedField("securityContext", "programs run with the permissions of the user of this cluster"),
    UnsupportedField("containers[*].securityContext", "programs run with the permissions of the user of this cluster"),
    UnsupportedField("hostNetwork", "all pods share the network of this computer"),
    UnsupportedField("hostPID", "all pods share the processes of this computer"),
    UnsupportedField("hostIPC", "all pods share this computer"),
    UnsupportedField(
        "containers[*].ports[*].hostPort", "a program listens on the address that it binds; ports are not forwarded"
    ),
    UnsupportedField("dnsConfig", "names are resolved as on this computer"),
    UnsupportedField("runtimeClassName", "there is only one container runtime"),
    UnsupportedField("readinessGates", "a pod is ready when its containers are"),
    UnsupportedField("containers[*].livenessProbe", "a program that hangs is not restarted"),
    UnsupportedField("containers[*].startupProbe", "a program counts as started when it runs"),
    UnsupportedField("containers[*].lifecycle.preStop", "a program is stopped only by its stop signal"),
    UnsupportedField("containers[*].lifecycle.postStart.httpGet", "HTTP hooks are not supported"),
    UnsupportedField("containers[*].tty", "there is no terminal"),
    UnsupportedField("containers[*].stdin", "standard input is empty"),
    UnsupportedField("containers[*].resources.limits.ephemeral-storage", "the disk is shared"),
)
"""Fields that only restrict or place a program: the pod runs, and an event names the ignored fields."""


def find_unsupported(pod: KubeObject) -> Findings:
    """Return the unsupported fields of `pod`."""
    spec = pod["spec"]
    if (spec.get("os") or {}).get("name") == "windows":
        return Findings("spec.os.name: this node does not run Windows")
    for row in REFUSED:
        for path in _paths_set(spec, row.path):
            return Findings(f"spec.{path} is not supported on this node: {row.reason}")
    return Findings(ignored=[f"spec.{path} ({row.reason})" for row in IGNORED for path in _paths_set(spec, row.path)])


def _paths_set(spec: KubeObject, path: str) -> Iterator[str]:
    """Yield the paths at which `spec` sets the field, also for init containers."""
    yield from _walk(spec, path.split("."), "")
    if path.startswith("containers"):
        yield from _walk(spec, ["initContainers[*]", *path.split(".")[1:]], "")


def _walk(value: Any, steps: list[str], before: str) -> Iterator[str]:
    if not steps:
        if value:
            yield before
        return
    name, every = steps[0].removesuffix("[*]"), steps[0].endswith("[*]")
    if not isinstance(value, dict) or not value.get(name):
        return
    path = f"{before}.{name}" if before else name
    if not every:
        yield from _walk(value[name], steps[1:], path)
        return
    for index, item in enumerate(value[name]):
        yield from _walk(item, steps[1:], f"{path}[{index}]")
