"""The shape of Kubernetes' own kinds, as far as this project reads it: which fields are lists, maps, text, numbers.

A real API server decodes into Go types; the embedded one holds Pods, Jobs and Services against these schemas instead,
with the engine of `api.schema`. Fields that are not named pass, whatever they are. Nothing behind the API server has to
ask whether a list is a list.
"""

from __future__ import annotations

from typing import Any, Final

from jupyter_trainjob.api.resources import JOBS, PERSISTENTVOLUMECLAIMS, PODS, PRIORITYCLASSES, SERVICES, Resource

_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "integer"}
_FLAG: Final = {"type": "boolean"}
_AMOUNTS: Final = {"type": "object", "additionalProperties": {"x-kubernetes-preserve-unknown-fields": True}}
"""Quantities: text or numbers; `api.pods` reads them."""
_TEXTS: Final = {"type": "object", "additionalProperties": _TEXT}


def _of(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": fields}


def _list(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


_SOURCE: Final = _of(defaultMode=_NUMBER)
_CONTAINER: Final = _of(
    name=_TEXT,
    image=_TEXT,
    command=_list(_TEXT),
    args=_list(_TEXT),
    workingDir=_TEXT,
    restartPolicy=_TEXT,
    env=_list(_of(name=_TEXT, value=_TEXT, valueFrom=_of(fieldRef=_of(fieldPath=_TEXT)))),
    envFrom=_list(_of()),
    ports=_list(_of()),
    volumeMounts=_list(_of(name=_TEXT, mountPath=_TEXT, subPath=_TEXT, subPathExpr=_TEXT, readOnly=_FLAG)),
    resources=_of(limits=_AMOUNTS, requests=_AMOUNTS),
)
_REQUIREMENTS: Final = _list(_of(key=_TEXT, operator=_TEXT, values=_list(_TEXT)))
_NODE_TERM: Final = _of(matchExpressions=_REQUIREMENTS, matchFields=_REQUIREMENTS)
_TOLERATION: Final = _of(key=_TEXT, operator=_TEXT, value=_TEXT, effect=_TEXT, tolerationSeconds=_NUMBER)
_POD_SPEC: Final = _of(
    containers=_list(_CONTAINER),
    initContainers=_list(_CONTAINER),
    volumes=_list(
        _of(
            name=_TEXT,
            secret=_SOURCE,
            configMap=_SOURCE,
            projected={**_SOURCE, "properties": {"defaultMode": _NUMBER, "sources": _list(_of())}},
            downwardAPI=_SOURCE,
            hostPath=_of(path=_TEXT),
            persistentVolumeClaim=_of(claimName=_TEXT, readOnly=_FLAG),
        )
    ),
    restartPolicy=_TEXT,
    terminationGracePeriodSeconds=_NUMBER,
    activeDeadlineSeconds=_NUMBER,
    nodeName=_TEXT,
    nodeSelector=_TEXTS,
    affinity=_of(
        nodeAffinity=_of(
            requiredDuringSchedulingIgnoredDuringExecution=_of(nodeSelectorTerms=_list(_NODE_TERM)),
        )
    ),
    hostname=_TEXT,
    subdomain=_TEXT,
    priority=_NUMBER,
    priorityClassName=_TEXT,
    preemptionPolicy=_TEXT,
    schedulerName=_TEXT,
    schedulingGates=_list(_of(name=_TEXT)),
    tolerations=_list(_TOLERATION),
    overhead=_AMOUNTS,
)
_TEMPLATE: Final = _of(metadata=_of(labels=_TEXTS, annotations=_TEXTS), spec=_POD_SPEC)
_JOB_SPEC: Final = _of(
    template=_TEMPLATE,
    parallelism=_NUMBER,
    completions=_NUMBER,
    backoffLimit=_NUMBER,
    backoffLimitPerIndex=_NUMBER,
    maxFailedIndexes=_NUMBER,
    activeDeadlineSeconds=_NUMBER,
    ttlSecondsAfterFinished=_NUMBER,
    completionMode=_TEXT,
    podReplacementPolicy=_TEXT,
    suspend=_FLAG,
    manualSelector=_FLAG,
    managedBy=_TEXT,
    selector=_of(matchLabels=_TEXTS),
    podFailurePolicy=_of(
        rules=_list(
            _of(
                action=_TEXT,
                onExitCodes=_of(containerName=_TEXT, operator=_TEXT, values=_list(_NUMBER)),
                onPodConditions=_list(_of(type=_TEXT, status=_TEXT)),
            )
        )
    ),
    successPolicy=_of(rules=_list(_of(succeededIndexes=_TEXT, succeededCount=_NUMBER))),
)

_PRIORITY_CLASS: Final = _of(value=_NUMBER, globalDefault=_FLAG, description=_TEXT, preemptionPolicy=_TEXT)
_CLAIM_SPEC: Final = _of(
    accessModes=_list(_TEXT),
    resources=_of(requests=_AMOUNTS),
    volumeMode=_TEXT,
    volumeName=_TEXT,
    storageClassName=_TEXT,
)

_SHAPES: Final = {
    PODS: _of(spec=_POD_SPEC),
    JOBS: _of(spec=_JOB_SPEC),
    SERVICES: _of(spec=_of()),
    PRIORITYCLASSES: _PRIORITY_CLASS,
    PERSISTENTVOLUMECLAIMS: _of(spec=_CLAIM_SPEC),
}


def of(resource: Resource) -> dict[str, Any] | None:
    """Return the shape of a kind, or None if nothing is asked of it."""
    return _SHAPES.get(resource)
