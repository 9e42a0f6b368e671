"""What a pod may ask for that a node of processes does not give: the table, and the look at a pod that applies it.

In: a pod. Out: why it is refused, or which of its fields are ignored, for the event that says so. The rule behind the
rows: what a program needs to work is refused, so that it fails at once and with the reason, and what only guards it or
places it is ignored, so that a specification written for a cluster runs unchanged. Volumes of unknown kinds are refused
where they are laid out. All else is honoured or, like the image, substituted; a test holds the README to this table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from jupyter_trainjob.api.resources import Object


@dataclass(frozen=True, slots=True)
class Row:
    """One field of a pod's spec, and why it is not honoured. ``[*]`` stands for every item of a list."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found in a pod: `refused` says why it cannot run here, empty if it can; `ignored` names fields."""

    refused: str = ""
    ignored: list[str] = field(default_factory=list)


REFUSED: Final = (
    Row("resourceClaims", "there is no dynamic allocation of devices; ask for nvidia.com/gpu in the limits"),
    Row("containers[*].volumeDevices", "there are no block devices; mount a volume as a folder"),
    Row("containers[*].lifecycle.postStart.exec", "nothing can be run beside the program; begin the command with it"),
    Row("containers[*].readinessProbe.exec", "nothing can be run beside the program; probe a port instead"),
    Row("containers[*].readinessProbe.grpc", "grpc is not spoken; use tcpSocket or httpGet"),
)
"""What a program may need: without it the pod fails at once."""

IGNORED: Final = (
    Row("affinity.podAffinity", "there is one node"),
    Row("affinity.podAntiAffinity", "there is one node"),
    Row("affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution", "there is one node"),
    Row("topologySpreadConstraints", "there is one node"),
    Row("securityContext", "programs run with the rights of the user whose cluster this is"),
    Row("containers[*].securityContext", "programs run with the rights of the user whose cluster this is"),
    Row("hostNetwork", "all pods share the network of this computer"),
    Row("hostPID", "all pods share the processes of this computer"),
    Row("hostIPC", "all pods share this computer"),
    Row("containers[*].ports[*].hostPort", "a program listens where it binds; no port is forwarded"),
    Row("dnsConfig", "names are resolved as on this computer"),
    Row("runtimeClassName", "there is one way to run a program"),
    Row("readinessGates", "a pod is ready when its containers are"),
    Row("containers[*].livenessProbe", "a program that hangs is not restarted"),
    Row("containers[*].startupProbe", "a program counts as started when it runs"),
    Row("containers[*].lifecycle.preStop", "a program is told to end by its stop signal alone"),
    Row("containers[*].lifecycle.postStart.httpGet", "a program is started, and nobody is told"),
    Row("containers[*].tty", "there is no terminal"),
    Row("containers[*].stdin", "standard input is empty"),
    Row("containers[*].resources.limits.ephemeral-storage", "the disk is shared"),
)
"""What only guards a program or places it: without it the pod runs, and an event says so."""


def look(pod: Object) -> Findings:
    """Return what `pod` asks for in vain."""
    spec = pod["spec"]
    if (spec.get("os") or {}).get("name") == "windows":
        return Findings("spec.os.name: windows is not what this node runs")
    for row in REFUSED:
        for path in _asked(spec, row.path):
            return Findings(f"spec.{path} is not supported on this node: {row.why}")
    return Findings(ignored=[f"spec.{path} ({row.why})" for row in IGNORED for path in _asked(spec, row.path)])


def _asked(spec: Object, path: str) -> Iterator[str]:
    """Yield where `spec` sets the field; init containers are containers."""
    yield from _found(spec, path.split("."), "")
    if path.startswith("containers"):
        yield from _found(spec, ["initContainers[*]", *path.split(".")[1:]], "")


def _found(value: Any, steps: list[str], before: str) -> Iterator[str]:
    if not steps:
        if value:
            yield before
        return
    name, every = steps[0].removesuffix("[*]"), steps[0].endswith("[*]")
    if not isinstance(value, dict) or not value.get(name):
        return
    path = f"{before}.{name}" if before else name
    if not every:
        yield from _found(value[name], steps[1:], path)
        return
    for index, item in enumerate(value[name]):
        yield from _found(item, steps[1:], f"{path}[{index}]")
