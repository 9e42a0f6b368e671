"""Errors of the pipeline for TrainJobs and runtimes that cannot be built."""

from __future__ import annotations

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import KubeObject

_SHARED_FIELDS = frozenset({"numNodes"})


class BuildError(errors.TrainJobError):
    """TrainJob and runtime do not fit; a change of either may fix that, so the build is retried."""


class Unsupported(BuildError):
    """The runtime or the TrainJob requests an unsupported feature; retrying does not help."""


def refuse_unsupported(runtime: KubeObject, *, implemented: frozenset[str]) -> None:
    """Raise `Unsupported` if a runtime names a policy source that is not among the implemented ones."""
    spec = runtime.get("spec") or {}
    for policy in ("mlPolicy", "podGroupPolicy"):
        wanted = {source for source, settings in (spec.get(policy) or {}).items() if settings is not None}
        unknown = sorted(wanted - _SHARED_FIELDS - implemented)
        if unknown:
            raise Unsupported(
                f"{runtime['kind']} {runtime['metadata']['name']!r} asks for {policy}.{unknown[0]}, "
                "which this controller does not implement. Choose another runtime, or use a cluster where Kubeflow "
                "Trainer is installed."
            )
