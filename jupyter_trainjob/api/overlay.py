"""Schema details that the models of ``kubeflow_trainer_api`` lack: defaults, limits, list keys, rules, columns.

`api.generate` lays these facts over the models' JSON schemas and writes the CRDs. The facts are those of Kubeflow
Trainer v2.3 and JobSet v0.12. Keys are ``Model`` or ``Model.field``, without the models' group prefixes.
"""

from __future__ import annotations

from typing import Any, Final

from jupyter_trainjob import constants
from jupyter_trainjob.api.kinds import podgroups
from jupyter_trainjob.api.schemas import cel_rules

Facts = dict[str, Any]


def _keyed(*keys: str) -> Facts:
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


def _length(most: int, *, least: int = 0) -> Facts:
    return {"maxLength": most, **({"minLength": least} if least else {})}


_ATOMIC: Final[Facts] = {"x-kubernetes-list-type": "atomic"}
_ENV: Final[Facts] = {"maxItems": 128, **_keyed("name")}
_WORDS: Final[Facts] = {"maxItems": 128, **_ATOMIC, "items": _length(1_048_576)}
_FIXED: Final[Facts] = {"x-kubernetes-validations": [cel_rules.IMMUTABLE.schema()]}
_COUNT: Final[Facts] = {"minimum": 0}

TRAINJOB: Final[dict[str, Facts]] = {
    "TrainJob": {"x-kubernetes-validations": [cel_rules.NAME_IS_A_LABEL.schema(), cel_rules.NAME_IS_SHORT.schema()]},
    "TrainJobSpec.runtimeRef": _FIXED,
    "TrainJobSpec.initializer": _FIXED,
    "TrainJobSpec.trainer": _FIXED,
    "TrainJobSpec.runtimePatches": {"maxItems": 16, **_keyed("manager")},
    "TrainJobSpec.suspend": {"default": False},
    "TrainJobSpec.activeDeadlineSeconds": {"minimum": 1, **_FIXED},
    "TrainJobSpec.managedBy": {
        **_length(253),
        "default": constants.MANAGED_BY_TRAINER,
        "x-kubernetes-validations": [cel_rules.KNOWN_MANAGER.schema(), cel_rules.IMMUTABLE.schema()],
    },
    "RuntimeRef.name": _length(253, least=1),
    "RuntimeRef.apiGroup": {**_length(253), "default": constants.TRAINER_GROUP},
    "RuntimeRef.kind": {**_length(253), "default": "ClusterTrainingRuntime"},
    "DatasetInitializer.storageUri": {**_length(2048), "x-kubernetes-validations": [cel_rules.URI_OR_EMPTY.schema()]},
    "DatasetInitializer.env": _ENV,
    "ModelInitializer.storageUri": {**_length(2048), "x-kubernetes-validations": [cel_rules.URI_OR_EMPTY.schema()]},
    "ModelInitializer.env": _ENV,
    "Trainer.image": _length(500),
    "Trainer.command": _WORDS,
    "Trainer.args": _WORDS,
    "Trainer.env": _ENV,
    "RuntimePatch.manager": {**_length(253, least=1), **_FIXED},
    "JobSetSpecPatch.replicatedJobs": {"maxItems": 100, **_keyed("name")},
    "ReplicatedJobPatch.name": _length(253, least=1),
    "PodSpecPatch.serviceAccountName": {**_length(253), **_FIXED},
    "PodSpecPatch.volumes": {"maxItems": 128, **_keyed("name"), **_FIXED},
    "PodSpecPatch.initContainers": {"maxItems": 64, **_keyed("name"), **_FIXED},
    "PodSpecPatch.containers": {"maxItems": 64, **_keyed("name"), **_FIXED},
    "PodSpecPatch.imagePullSecrets": {"maxItems": 64, **_keyed("name"), **_FIXED},
    "PodSpecPatch.securityContext": _FIXED,
    "PodSpecPatch.tolerations": {"maxItems": 128, **_ATOMIC},
    "PodSpecPatch.schedulingGates": {"maxItems": 16, **_keyed("name")},
    "PodSpecPatch.terminationGracePeriodSeconds": {**_COUNT, **_FIXED},
    "ContainerPatch.name": _length(253, least=1),
    "ContainerPatch.env": _ENV,
    "ContainerPatch.volumeMounts": {"maxItems": 128, **_keyed("name")},
    "TrainJobStatus": {"minProperties": 1},
    "TrainJobStatus.conditions": {"maxItems": 8, **_keyed("type")},
    "TrainJobStatus.jobsStatus": {"maxItems": 100, **_keyed("name")},
    "JobStatus.name": {"minLength": 1},
    **{f"JobStatus.{count}": _COUNT for count in ("ready", "succeeded", "failed", "active", "suspended")},
    "TrainerStatus": {"x-kubernetes-validations": [cel_rules.HAS_UPDATE_TIME.schema()]},
    "TrainerStatus.progressPercentage": {"minimum": 0, "maximum": 100},
    "TrainerStatus.estimatedRemainingSeconds": _COUNT,
    "TrainerStatus.metrics": {"maxItems": 256, **_ATOMIC},
    "Metric.name": _length(64, least=1),
    "Metric.value": _length(64, least=1),
}

RUNTIME: Final[dict[str, Facts]] = {
    "TrainingRuntimeSpec": {"minProperties": 1},
    "MLPolicy": {"x-kubernetes-validations": [cel_rules.ONE_POLICY.schema()]},
    "EnvInjection.targets": {"maxItems": 16, **_keyed("jobName")},
    "EnvInjectionTarget.jobName": _length(253, least=1),
    "EnvInjectionTarget.containerNames": {
        "maxItems": 8,
        "minItems": 1,
        "x-kubernetes-list-type": "set",
        "items": _length(63),
        "x-kubernetes-validations": [cel_rules.NOT_THE_MAIN_CONTAINER.schema()],
    },
    "MPIMLPolicySource.numProcPerNode": {"default": 1},
    "MPIMLPolicySource.mpiImplementation": {"default": "OpenMPI", "enum": ["OpenMPI", ""]},
    "MPIMLPolicySource.sshAuthMountPath": {"default": "/root/.ssh", **_length(4096)},
    "MPIMLPolicySource.runLauncherAsNode": {"default": False},
    "FluxMLPolicySource.numProcPerNode": {"default": 1, "x-kubernetes-validations": [cel_rules.AT_LEAST_ONE.schema()]},
    "CoschedulingPodGroupPolicySource.scheduleTimeoutSeconds": {"default": 60},
    "NetworkTopologySpec.mode": {"default": "hard", "enum": ["hard", "soft"]},
    "NetworkTopologySpec.highestTierAllowed": {"default": 1},
    "JobSetTemplateSpec": {"minProperties": 1},
}

JOBSET: Final[dict[str, Facts]] = {
    "JobSetSpec": {"x-kubernetes-validations": [cel_rules.ORDER_OR_DEPENDENCIES.schema()]},
    "JobSetSpec.replicatedJobs": _keyed("name"),
    "JobSetSpec.network": _FIXED,
    "JobSetSpec.successPolicy": _FIXED,
    "JobSetSpec.failurePolicy": _FIXED,
    "JobSetSpec.startupPolicy": _FIXED,
    "JobSetSpec.ttlSecondsAfterFinished": _COUNT,
    "JobSetSpec.volumeClaimPolicies": {"maxItems": 50, **_ATOMIC, **_FIXED},
    "ReplicatedJob.replicas": {"default": 1},
    "ReplicatedJob.groupName": {"default": "default"},
    "ReplicatedJob.dependsOn": {"maxItems": 5, **_keyed("name"), **_FIXED},
    "DependsOn.status": {"enum": ["Ready", "Complete"]},
    "SuccessPolicy.operator": {"enum": ["All", "Any"]},
    "SuccessPolicy.targetReplicatedJobs": _ATOMIC,
    "StartupPolicy.startupPolicyOrder": {"enum": ["AnyOrder", "InOrder"]},
    "FailurePolicy.restartStrategy": {
        "default": "Recreate",
        "enum": ["Recreate", "BlockingRecreate", "InPlaceRestart"],
    },
    "FailurePolicyRule.action": {
        "enum": [
            "FailJobSet",
            "RestartJobSet",
            "RestartJobSetAndIgnoreMaxRestarts",
            "RestartJob",
            "RestartJobAndIgnoreMaxRestarts",
        ]
    },
    "FailurePolicyRule.targetReplicatedJobs": _ATOMIC,
    "VolumeClaimPolicy": {"x-kubernetes-validations": [cel_rules.NO_CLAIM_NAMESPACE.schema()]},
    "VolumeClaimPolicy.templates": {"maxItems": 50, **_ATOMIC},
    "VolumeRetentionPolicy.whenDeleted": {"default": "Delete", "enum": ["Delete", "Retain"]},
    "JobSetStatus.conditions": _keyed("type"),
    "JobSetStatus.replicatedJobsStatus": _keyed("name"),
    "JobSetStatus.currentInPlaceRestartAttempt": _COUNT,
    "JobSetStatus.previousInPlaceRestartAttempt": _COUNT,
    "ReplicatedJobStatus.jobRestarts": {"maxItems": 1024, **_ATOMIC},
    "ReplicatedJobStatus.jobRestartsCountTowardsMax": {"maxItems": 1024, **_ATOMIC},
}

KUBERNETES: Final[dict[str, Facts]] = {
    "Condition.message": _length(32768),
    "Condition.observedGeneration": _COUNT,
    "Condition.reason": {**_length(1024, least=1), "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"},
    "Condition.status": {"enum": ["True", "False", "Unknown"]},
    "Condition.type": _length(316),
    "ResourceRequirements.claims": _keyed("name"),
    "LocalObjectReference": {"x-kubernetes-map-type": "atomic"},
    "PodFailurePolicy.rules": _ATOMIC,
}

FACTS: Final = {**TRAINJOB, **RUNTIME, **JOBSET, **KUBERNETES}

_NAMED: Final[Facts] = {
    "type": "array",
    **_keyed("name"),
    "items": {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}},
        "x-kubernetes-preserve-unknown-fields": True,
    },
}
_ANYTHING: Final[Facts] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}

REPLACED: Final[dict[str, Facts]] = {
    # In full, pod templates would be nine tenths of a CRD; the API server validates them again in created Pods.
    "PodSpec": {
        **_ANYTHING,
        "required": ["containers"],
        "properties": {"containers": _NAMED, "initContainers": _NAMED, "volumes": _NAMED},
    },
    "PersistentVolumeClaim": {
        **_ANYTHING,
        "properties": {
            "metadata": {**_ANYTHING, "properties": {"name": {"type": "string"}, "namespace": {"type": "string"}}},
        },
    },
    # Metadata fields of a template; the API server sets the other fields of ObjectMeta.
    "ObjectMeta": {
        "type": "object",
        "properties": {
            "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
            "finalizers": {"type": "array", "items": {"type": "string"}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "name": {"type": "string"},
            "namespace": {"type": "string"},
        },
    },
    "Quantity": {
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "pattern": r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)"
        r"|(\.[0-9]+))))?$",
        "x-kubernetes-int-or-string": True,
    },
    "IntOrString": {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True},
}
"""Models whose schema is this, whatever their fields are."""

WIDE: Final = frozenset(
    {
        "activeDeadlineSeconds",
        "expirationSeconds",
        "fsGroup",
        "observedGeneration",
        "runAsGroup",
        "runAsUser",
        "supplementalGroups",
        "terminationGracePeriodSeconds",
        "tolerationSeconds",
    }
)
"""Integers of 64 bits; all others have 32."""

COLUMNS: Final[dict[str, list[Facts]]] = {
    "TrainJob": [
        {"name": "State", "type": "string", "jsonPath": ".status.conditions[-1:].type"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ],
    "JobSet": [
        {"name": "TerminalState", "type": "string", "jsonPath": ".status.terminalState"},
        {"name": "Restarts", "type": "string", "jsonPath": ".status.restarts"},
        {"name": "Completed", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Completed")].status'},
        {"name": "Suspended", "type": "string", "jsonPath": ".spec.suspend"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ],
    "TrainingRuntime": [],
    "ClusterTrainingRuntime": [],
    "PodGroup": podgroups.COLUMNS,
}
"""What ``kubectl get`` prints beside the name."""
