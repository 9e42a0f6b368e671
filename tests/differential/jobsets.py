"""JobSets that cover every pair of what a JobSet can ask for."""

from __future__ import annotations

import copy
from typing import Any, Final

from jupyter_trainjob.api.resources import KubeObject

from .pairwise import Case, Dimensions

EXCLUSIVE: Final = "alpha.jobset.sigs.k8s.io/exclusive-topology"
DIMENSIONS: Final[Dimensions] = {
    "jobs": ("one", "three replicas", "two", "three", "none of the second"),
    "success": (None, "all", "any", "any of the first", "all of the first"),
    "failure": (None, "no restart", "one restart", "blocking", "fail at deadline", "uncounted", "message", "target"),
    "startup": (None, "any order", "in order", "after ready", "after complete"),
    "network": (None, "subdomain", "no host names", "only ready", "ready or not"),
    "coordinator": (False, True),
    "suspend": (False, True),
    "ttl": (None, 0, 3600),
    "claims": (None, "default", "deleted", "retained"),
    "placement": (None, "exclusive", "exclusive first job", "node selector"),
    "pods": ("plain", "labelled", "restart never", "not indexed", "two containers"),
    "group": (None, "workers"),
    "managed by": (None, "jobset.sigs.k8s.io/jobset-controller", "other.example/controller"),
}
_FAILURE: Final[dict[str, KubeObject]] = {
    "no restart": {},
    "one restart": {"maxRestarts": 1},
    "blocking": {"maxRestarts": 2, "restartStrategy": "BlockingRecreate"},
    "fail at deadline": {
        "maxRestarts": 3,
        "rules": [{"action": "FailJobSet", "onJobFailureReasons": ["DeadlineExceeded"]}],
    },
    "uncounted": {
        "rules": [{"action": "RestartJobSetAndIgnoreMaxRestarts", "onJobFailureReasons": ["BackoffLimitExceeded"]}]
    },
    "message": {"rules": [{"name": "known", "action": "RestartJobSet", "onJobFailureMessagePatterns": ["^it fa.*d$"]}]},
    "target": {
        "maxRestarts": 1,
        "rules": [{"name": "first", "action": "FailJobSet", "targetReplicatedJobs": ["first"]}],
    },
}
_SUCCESS: Final[dict[str, KubeObject]] = {
    "all": {"operator": "All"},
    "any": {"operator": "Any"},
    "any of the first": {"operator": "Any", "targetReplicatedJobs": ["first"]},
    "all of the first": {"operator": "All", "targetReplicatedJobs": ["first"]},
}
_NETWORK: Final[dict[str, KubeObject]] = {
    "subdomain": {"subdomain": "domain"},
    "no host names": {"enableDNSHostnames": False},
    "only ready": {"publishNotReadyAddresses": False},
    "ready or not": {"enableDNSHostnames": True, "publishNotReadyAddresses": True},
}


def build_jobset(name: str, case: Case) -> KubeObject:
    """Return the JobSet of a case, without a namespace. Its replicated jobs are ``first``, ``second`` and ``third``."""
    annotations = {EXCLUSIVE: "rack"} if case["placement"] == "exclusive" else {}
    spec: KubeObject = {"replicatedJobs": _replicated_jobs(case)}
    for field, values, value in (
        ("failurePolicy", _FAILURE, case["failure"]),
        ("successPolicy", _SUCCESS, case["success"]),
        ("network", _NETWORK, case["network"]),
    ):
        if value is not None:
            spec[field] = copy.deepcopy(values[value])
    if case["startup"] in ("any order", "in order"):
        spec["startupPolicy"] = {"startupPolicyOrder": "InOrder" if case["startup"] == "in order" else "AnyOrder"}
    if case["coordinator"]:
        spec["coordinator"] = {"replicatedJob": "first", "jobIndex": 0, "podIndex": 0}
    if case["suspend"]:
        spec["suspend"] = True
    if case["ttl"] is not None:
        spec["ttlSecondsAfterFinished"] = case["ttl"]
    if case["managed by"] is not None:
        spec["managedBy"] = case["managed by"]
    if case["claims"] is not None:
        spec["volumeClaimPolicies"] = [_claim_policy(case["claims"])]
    return {"metadata": {"name": name, "annotations": annotations, "labels": {"team": "a"}}, "spec": spec}


def _replicated_jobs(case: Case) -> list[KubeObject]:
    replicas = {
        "one": {"first": 1},
        "three replicas": {"first": 3},
        "two": {"first": 1, "second": 2},
        "three": {"first": 2, "second": 1, "third": 1},
        "none of the second": {"first": 1, "second": 0},
    }[case["jobs"]]
    jobs: list[KubeObject] = []
    for name, number in replicas.items():
        job: KubeObject = {"name": name, "replicas": number, "template": _job_template(case, first=name == "first")}
        if case["group"] is not None and name != "first":
            job["groupName"] = case["group"]
        if case["startup"] in ("after ready", "after complete") and jobs:
            status = "Ready" if case["startup"] == "after ready" else "Complete"
            job["dependsOn"] = [{"name": jobs[-1]["name"], "status": status}]
        jobs.append(job)
    return jobs


def _job_template(case: Case, *, first: bool) -> KubeObject:
    pods = 2 if first else 1
    containers: list[KubeObject] = [{"name": "main", "image": "image", "command": ["run"]}]
    if case["pods"] == "two containers":
        containers.append({"name": "side", "image": "side"})
    if case["claims"] is not None and first:
        containers[0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    pod_spec: dict[str, Any] = {"containers": containers}
    template: KubeObject = {"spec": pod_spec}
    job: KubeObject = {"spec": {"parallelism": pods, "completions": pods, "template": template}}
    if case["pods"] == "labelled":
        metadata = {"labels": {"app": "x"}, "annotations": {"note": "y"}}
        template["metadata"] = copy.deepcopy(metadata)
        job["metadata"] = metadata
    if case["pods"] == "restart never":
        pod_spec["restartPolicy"] = "Never"
        job["spec"]["backoffLimit"] = 0
    if case["pods"] == "not indexed":
        job["spec"]["completionMode"] = "NonIndexed"
    if case["placement"] == "exclusive first job" and first:
        job.setdefault("metadata", {})["annotations"] = {EXCLUSIVE: "rack"}
    if case["placement"] == "node selector":
        pod_spec["nodeSelector"] = {"zone": "a"}
    return job


def _claim_policy(kind: str) -> KubeObject:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    policy: KubeObject = {"templates": [{"metadata": {"name": "data", "labels": {"claim": "x"}}, "spec": spec}]}
    if kind != "default":
        policy["retentionPolicy"] = {"whenDeleted": "Delete" if kind == "deleted" else "Retain"}
    return policy
