"""Validation of JobSets, as in JobSet's validating webhook.

Upstream: https://github.com/kubernetes-sigs/jobset/blob/v0.12.0/pkg/webhooks/jobset_webhook.go
A cluster with JobSet has this webhook; the embedded API server calls `validate` instead. The rules read no other
objects: a PersistentVolumeClaim that exists already is not compared with its template.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

from jupyter_trainjob.api import name_validation
from jupyter_trainjob.api.kinds import jobsets
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.schemas import schema
from jupyter_trainjob.api.schemas.schema import FieldError

_LABEL: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_RULE: Final = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
_RULE_LONGEST: Final = 128
_LONGEST: Final = 63
_POD_SUFFIX: Final = "-abcde"
_MOST_PODS: Final = 2**31 - 1
_FAILURE_REASONS: Final = (
    "BackoffLimitExceeded",
    "DeadlineExceeded",
    "FailedIndexes",
    "MaxFailedIndexesExceeded",
    "PodFailurePolicy",
)


def validate(jobset: KubeObject, old: KubeObject | None = None) -> Iterator[FieldError]:
    """Yield the errors of JobSet's validating webhook; `old` is the JobSet that it replaces."""
    spec = jobset.get("spec") or {}
    if old is not None:
        yield from _check_change(spec, old.get("spec") or {})
        return
    yield from _check_names(jobset)
    yield from _check_replicated_jobs(jobset)
    yield from _check_gates(spec)
    yield from _check_failure_rules(spec)
    yield from _check_targets(spec)
    if spec.get("coordinator"):
        yield from _check_coordinator(jobset)
    yield from _check_claims(jobset)


def _check_names(jobset: KubeObject) -> Iterator[FieldError]:
    spec = jobset["spec"]
    subdomain = (spec.get("network") or {}).get("subdomain")
    if subdomain:
        yield from _check_label(subdomain, "spec.network.subdomain", "the subdomain is the name of a Service, and it")
    manager = spec.get("managedBy")
    if manager is not None:
        if not name_validation.is_domain_prefixed_path(manager):
            message = 'must be a domain-prefixed path (such as "acme.io/foo")'
            yield _invalid("spec.managedBy", manager, message)
        if len(manager) > _LONGEST:
            yield _invalid("spec.managedBy", manager, f"must be no more than {_LONGEST} characters")


def _check_replicated_jobs(jobset: KubeObject) -> Iterator[FieldError]:
    before: set[str] = set()
    for index, job in enumerate(jobset["spec"].get("replicatedJobs") or ()):
        path = f"spec.replicatedJobs[{index}]"
        yield from _check_label(job.get("groupName", "default"), f"{path}.groupName", "the name of a group")
        yield from _check_generated_names(jobset["metadata"].get("name") or "", job, path)
        pods = job.get("replicas", 1) * _job_spec(job).get("parallelism", 1)
        if pods > _MOST_PODS:
            yield _invalid(
                f"{path}.replicas", job["replicas"], f"replicas times parallelism must not exceed {_MOST_PODS}"
            )
        for dependency in job.get("dependsOn") or ():
            if dependency["name"] not in before:
                message = "a replicated job depends on jobs before it only"
                yield _invalid(f"{path}.dependsOn", dependency["name"], message)
        before.add(job["name"])


def _check_generated_names(jobset: str, job: KubeObject, path: str) -> Iterator[FieldError]:
    """Yield an error if the longest generated name exceeds a DNS label."""
    last = f"{jobset}-{job['name']}-{max(job.get('replicas', 1) - 1, 0)}"
    yield from _check_label(last, f"{path}.name", "the name of its last Job")
    spec = _job_spec(job)
    completions = spec.get("completions")
    if spec.get("completionMode") == "Indexed" and completions and len(last) <= _LONGEST:
        pod = f"{last}-{completions - 1}{_POD_SUFFIX}"
        yield from _check_label(pod, f"{path}.name", "the name of its last Pod")


def _check_label(name: str, path: str, described: str) -> Iterator[FieldError]:
    if len(name) > _LONGEST:
        yield _invalid(path, name, f"{described} must be no more than {_LONGEST} characters, choose a shorter name")
    if _LABEL.fullmatch(name) is None:
        yield _invalid(path, name, f"{described} must hold lower-case letters, digits and '-', a letter first")


def _check_gates(spec: KubeObject) -> Iterator[FieldError]:
    """Yield an error for each field of JobSet v0.12 whose feature gate is off by default."""
    policy = spec.get("failurePolicy") or {}
    if policy.get("restartStrategy") == "InPlaceRestart":
        message = (
            "Forbidden: InPlaceRestart restart strategy cannot be set when InPlaceRestart feature gate is disabled, "
            "use Recreate or BlockingRecreate"
        )
        yield FieldError("spec.failurePolicy.restartStrategy", schema.FORBIDDEN, message)
    for index, rule in enumerate(policy.get("rules") or ()):
        if rule["action"] in {"RestartJob", "RestartJobAndIgnoreMaxRestarts"}:
            message = (
                "Forbidden: RestartJob and RestartJobAndIgnoreMaxRestarts failure policy actions are not allowed when "
                "RestartJob feature gate is disabled, use RestartJobSet"
            )
            yield FieldError(f"spec.failurePolicy.rules[{index}].action", schema.FORBIDDEN, message)


def _check_failure_rules(spec: KubeObject) -> Iterator[FieldError]:
    rules = (spec.get("failurePolicy") or {}).get("rules") or []
    names = [rule["name"] for rule in rules]
    for index, (name, rule) in enumerate(zip(names, rules, strict=True)):
        path = f"spec.failurePolicy.rules[{index}]"
        if _RULE.fullmatch(name) is None or len(name) > _RULE_LONGEST:
            message = (
                "a failure policy rule name must start with an alphabetic character, then have alphanumeric characters "
                f"or '_,:', and end with an alphanumeric character or '_', of at most {_RULE_LONGEST} characters"
            )
            yield _invalid(f"{path}.name", name, message)
        if name in names[:index]:
            yield _invalid(f"{path}.name", name, "rule names are not unique")
        for reason in rule.get("onJobFailureReasons") or ():
            if reason not in _FAILURE_REASONS:
                message = f"it is no reason for which Jobs fail; they are {', '.join(_FAILURE_REASONS)}"
                yield _invalid(f"{path}.onJobFailureReasons", reason, message)


def _check_targets(spec: KubeObject) -> Iterator[FieldError]:
    """Yield an error for each reference to a replicated job that does not exist."""
    jobs = {job["name"] for job in spec.get("replicatedJobs") or ()}
    targets = [
        ("spec.successPolicy.targetReplicatedJobs", name)
        for name in (spec.get("successPolicy") or {}).get("targetReplicatedJobs") or ()
    ]
    for index, rule in enumerate((spec.get("failurePolicy") or {}).get("rules") or ()):
        path = f"spec.failurePolicy.rules[{index}].targetReplicatedJobs"
        targets += [(path, name) for name in rule.get("targetReplicatedJobs") or ()]
    if spec.get("coordinator"):
        targets.append(("spec.coordinator.replicatedJob", spec["coordinator"]["replicatedJob"]))
    for path, name in targets:
        if name not in jobs:
            yield _invalid(path, name, "there is no replicated job of that name")


def _check_coordinator(jobset: KubeObject) -> Iterator[FieldError]:
    spec = jobset["spec"]
    coordinator = spec["coordinator"]
    job = next((job for job in spec["replicatedJobs"] if job["name"] == coordinator["replicatedJob"]), None)
    if job is None:
        return  # `_check_targets` refuses it.
    job_index, pod_index = coordinator.get("jobIndex", 0), coordinator.get("podIndex", 0)
    job_spec = _job_spec(job)
    completions = job_spec.get("completions")
    if not 0 <= job_index < job.get("replicas", 1):
        yield _invalid("spec.coordinator.jobIndex", job_index, f"replicated job {job['name']} has no Job of that index")
    elif completions is None or job_spec.get("completionMode") != "Indexed":
        message = "the coordinator's Job must have completionMode Indexed, and completions"
        yield _invalid("spec.coordinator.replicatedJob", job["name"], message)
    elif not 0 <= pod_index < completions:
        yield _invalid("spec.coordinator.podIndex", pod_index, f"replicated job {job['name']} has no Pod of that index")
    endpoint = jobsets.coordinator_endpoint(jobset) or ""
    if len(endpoint) > _LONGEST:
        message = f"the coordinator's host name is a label, and must be no more than {_LONGEST} characters"
        yield _invalid("spec.coordinator", endpoint, message)


def _check_claims(jobset: KubeObject) -> Iterator[FieldError]:
    spec = jobset["spec"]
    pods = [(_job_spec(job).get("template") or {}).get("spec") or {} for job in spec.get("replicatedJobs") or ()]
    names: set[str] = set()
    for index, policy in enumerate(spec.get("volumeClaimPolicies") or ()):
        for number, template in enumerate(policy.get("templates") or ()):
            path = f"spec.volumeClaimPolicies[{index}].templates[{number}].metadata.name"
            name = (template.get("metadata") or {}).get("name") or ""
            if name in names:
                yield _invalid(path, name, "the names of claim templates must be unique")
            if problem := name_validation.subdomain_problem(name):
                yield _invalid(path, name, problem)
            if len(jobsets.claim_name(jobset["metadata"].get("name") or "", name)) > _LONGEST:
                yield _invalid(path, name, f"the claim's name must be no more than {_LONGEST} characters")
            if any(volume["name"] == name for pod in pods for volume in pod.get("volumes") or ()):
                yield _invalid(path, name, "a replicated job has a volume of that name")
            if not any(name in _mounted_volumes(pod) for pod in pods):
                yield _invalid(path, name, "no container mounts the volume of that name")
            names.add(name)


def _mounted_volumes(pod: KubeObject) -> set[str]:
    containers = (*(pod.get("initContainers") or ()), *(pod.get("containers") or ()))
    return {mount["name"] for container in containers for mount in container.get("volumeMounts") or ()}


def _check_change(new: KubeObject, old: KubeObject) -> Iterator[FieldError]:
    suspended = bool(new.get("suspend") or old.get("suspend"))
    if _immutable_part(new, suspended=suspended) != _immutable_part(old, suspended=suspended):
        message = 'Invalid value: "array": field is immutable'
        yield FieldError("spec.replicatedJobs", schema.INVALID, message)
    if new.get("managedBy") != old.get("managedBy"):
        yield _invalid("spec.managedBy", new.get("managedBy"), "field is immutable")


def _immutable_part(spec: KubeObject, *, suspended: bool) -> Any:
    """Return the immutable part of the replicated jobs; while suspended, scheduling fields are mutable."""
    jobs = spec.get("replicatedJobs") or []
    if not suspended:
        return jobs
    jobs = deepcopy(jobs)
    for job in jobs:
        template = _job_spec(job).get("template") or {}
        metadata, pod = template.get("metadata") or {}, template.get("spec") or {}
        for part, names in (
            (metadata, ("annotations", "labels")),
            (pod, ("nodeSelector", "tolerations", "schedulingGates")),
        ):
            for name in names:
                part.pop(name, None)
        if not metadata:
            template.pop("metadata", None)
    return jobs


def _job_spec(job: KubeObject) -> KubeObject:
    spec: KubeObject = (job.get("template") or {}).get("spec") or {}
    return spec


def _invalid(path: str, value: Any, message: str) -> FieldError:
    return FieldError(path, schema.INVALID, f'Invalid value: "{value}": {message}')
