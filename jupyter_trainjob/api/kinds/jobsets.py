"""Defaults of JobSets, as in JobSet's defaulting webhook, and the names that JobSet derives.

Upstream: https://github.com/kubernetes-sigs/jobset/blob/v0.12.0/pkg/webhooks/jobset_webhook.go
A cluster with JobSet has this webhook; the embedded API server calls these functions instead.
"""

from __future__ import annotations

from jupyter_trainjob.api.resources import KubeObject


def set_defaults(jobset: KubeObject) -> None:
    """Set, in place, the defaults of JobSet's defaulting webhook."""
    spec = jobset.setdefault("spec", {})
    spec.setdefault("successPolicy", {"operator": "All"})
    spec.setdefault("startupPolicy", {"startupPolicyOrder": "AnyOrder"})
    network = spec.setdefault("network", {})
    network.setdefault("enableDNSHostnames", True)
    network.setdefault("publishNotReadyAddresses", True)
    for job in spec.get("replicatedJobs") or ():
        job_spec = job["template"].setdefault("spec", {})
        job_spec.setdefault("completionMode", "Indexed")
        pod = (job_spec.get("template") or {}).get("spec")
        if isinstance(pod, dict):
            pod.setdefault("restartPolicy", "OnFailure")
    for policy in spec.get("volumeClaimPolicies") or ():
        policy.setdefault("retentionPolicy", {"whenDeleted": "Delete"})


def name_failure_rules(jobset: KubeObject) -> None:
    """Name, in place, the unnamed rules of the failure policy, since the schema requires names."""
    spec = jobset.get("spec")
    policy = spec.get("failurePolicy") if isinstance(spec, dict) else None
    rules = policy.get("rules") if isinstance(policy, dict) else None
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(rule, dict):
            rule["name"] = rule.get("name") or f"failurePolicyRule{index}"


def subdomain(jobset: KubeObject) -> str:
    """Return the subdomain of the pods' host names, which is the name of the headless Service."""
    return str((jobset["spec"].get("network") or {}).get("subdomain") or jobset["metadata"]["name"])


def coordinator_endpoint(jobset: KubeObject) -> str | None:
    """Return the host name of the coordinator pod, if the JobSet names one."""
    coordinator = jobset["spec"].get("coordinator")
    if not coordinator:
        return None
    indices = f"{coordinator.get('jobIndex', 0)}-{coordinator.get('podIndex', 0)}"
    return f"{jobset['metadata']['name']}-{coordinator['replicatedJob']}-{indices}.{subdomain(jobset)}"


def claim_name(jobset: str, template: str) -> str:
    """Return the name of a PersistentVolumeClaim, from the names of its JobSet and its template."""
    return f"{template}-{jobset}"
