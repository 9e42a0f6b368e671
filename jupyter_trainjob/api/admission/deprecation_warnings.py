"""The warnings of Kubeflow Trainer's webhooks about deprecated ClusterTrainingRuntimes.

Ported from ``ValidateObjects`` (pkg/runtime/core/clustertrainingruntime.go) and ``ValidateCreate``
(pkg/webhooks/clustertrainingruntime_webhook.go) of github.com/kubeflow/trainer v2.3.0. TrainingRuntimes give none.
"""

from __future__ import annotations

from typing import Final

from jupyter_trainjob import constants
from jupyter_trainjob.api.kinds.runtime_rules import FindObject
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, TRAINJOBS, KubeObject, Resource

_CLUSTER_RUNTIME: Final = (CLUSTERTRAININGRUNTIMES.group, CLUSTERTRAININGRUNTIMES.kind)
_POLICY: Final = "https://trainer.kubeflow.org/en/latest/operator-guides/runtime.html#runtime-deprecation-policy"


def admission_warnings(
    resource: Resource, new: KubeObject, old: KubeObject | None, *, find: FindObject | None
) -> list[str]:
    """Return the warnings for `new`, which replaces `old` if given; without `find` there are none for TrainJobs."""
    if resource == CLUSTERTRAININGRUNTIMES and old is None and _is_deprecated(new):
        return [_warning("ClusterTrainingRuntime", new["metadata"]["name"])]
    if resource == TRAINJOBS and find is not None:
        reference = new["spec"]["runtimeRef"]
        if (reference["apiGroup"], reference["kind"]) == _CLUSTER_RUNTIME:
            runtime = find(CLUSTERTRAININGRUNTIMES, reference["name"], None)
            if runtime is not None and _is_deprecated(runtime):
                return [_warning("Referenced ClusterTrainingRuntime", reference["name"])]
    return []


def _is_deprecated(runtime: KubeObject) -> bool:
    labels = (runtime.get("metadata") or {}).get("labels") or {}
    return bool(labels.get(constants.SUPPORT_LABEL) == constants.SUPPORT_DEPRECATED)


def _warning(what: str, name: str) -> str:
    future = "is deprecated and will be removed in a future release of Kubeflow Trainer"
    return f'{what} "{name}" {future}. See runtime deprecation policy: {_POLICY}'
