"""Scenarios of Jobs and JobSets and the events of their pods; `stage` defines the steps."""

from __future__ import annotations

from typing import Any, Final

from jupyter_trainjob.api.resources import KubeObject

from .stage import HELD

NOBODY: Final = "nobody"
"""A scheduler that does not exist: pods stay where the scenario puts them."""


def job(name: str = "job", *, held: bool = False, policy: str = "Never", **spec: Any) -> KubeObject:
    """Return a Job; `held` lets its pods terminate only when the scenario releases them."""
    container = {"name": "main", "image": "none"}
    template: KubeObject = {"spec": {"schedulerName": NOBODY, "restartPolicy": policy, "containers": [container]}}
    if held:
        template["metadata"] = {"finalizers": [HELD]}
    whole = {"template": template, **spec}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": whole}


def indexed(completions: int, **more: Any) -> KubeObject:
    """Return a Job with indexes, all at once if nothing else is said."""
    return job(completionMode="Indexed", completions=completions, **{"parallelism": completions, **more})


def replicated(name: str = "node", replicas: int = 1, pods: int = 1, **more: Any) -> KubeObject:
    """Return a replicated job of a JobSet, whose Jobs allow no failure."""
    container = {"name": "main", "image": "none", **more.pop("container", {})}
    pod = {"spec": {"schedulerName": NOBODY, "restartPolicy": "Never", "containers": [container]}}
    spec = {"parallelism": pods, "completions": pods, "backoffLimit": 0, "template": pod, **more.pop("spec", {})}
    return {"name": name, "replicas": replicas, "template": {"spec": spec}, **more}


def jobset(*jobs: KubeObject, **spec: Any) -> KubeObject:
    """Return a JobSet."""
    whole = {"replicatedJobs": list(jobs), **spec}
    return {"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "metadata": {"name": "set"}, "spec": whole}


def scenario(name: str, obj: KubeObject, *steps: list[Any], marks: bool = False) -> KubeObject:
    """Return a scenario; `marks` notes the labels and annotations of Jobs and pods, too."""
    return {"name": name, "objects": [obj], "steps": list(steps), "marks": marks}


def codes(action: str, *values: int, operator: str = "In", container: str | None = None) -> KubeObject:
    """Return a rule of a pod failure policy on exit codes."""
    on: KubeObject = {"operator": operator, "values": list(values)}
    if container is not None:
        on["containerName"] = container
    return {"action": action, "onExitCodes": on}


def disrupted(action: str) -> KubeObject:
    """Return a rule of a pod failure policy on pods that something disrupted."""
    return {"action": action, "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


DISRUPTION: Final = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}

OF_JOBS: Final = [
    scenario(
        "an Indexed Job runs to its end",
        indexed(3),
        ["run", "job-1"],
        ["end", "job-1", 0],
        ["end", "job-0", 0],
        ["end", "job-2", 0],
        marks=True,
    ),
    scenario(
        "a Job without indexes runs to its end", job(completions=2, parallelism=1), ["end", "job", 0], ["end", "job", 0]
    ),
    scenario("a Job with no completions to reach is complete at once", job(completions=0, parallelism=2)),
    scenario(
        "a work queue is complete with its last pod after a success",
        job(parallelism=2),
        ["end", "job", 0],
        ["end", "job", 1],
    ),
    scenario(
        "the first failure fails a Job that allows none",
        indexed(3, backoffLimit=0),
        ["run", "job-1"],
        ["end", "job-0", 1],
    ),
    scenario(
        "a failed Job waits for the pods that terminate",
        indexed(2, backoffLimit=0, held=True),
        ["end", "job-0", 1],
        ["end_deleted", "job-1", 143],
        ["release", "job"],
    ),
    scenario(
        "failures up to the limit are tried again", indexed(1, backoffLimit=1), ["end", "job-0", 1], ["end", "job-0", 2]
    ),
    scenario(
        "restarts of containers count up to the limit",
        indexed(1, backoffLimit=2, policy="OnFailure"),
        ["restart", "job-0", 1],
        ["restart", "job-0", 2],
    ),
    scenario(
        "a suspended Job has no pods, and gets them when resumed",
        indexed(2, suspend=True),
        ["patch", "Job", "job", {"spec": {"suspend": False}}],
        ["run", "job-0"],
        ["patch", "Job", "job", {"spec": {"suspend": True}}],
        ["patch", "Job", "job", {"spec": {"suspend": False}}],
        ["end", "job-0", 0],
        ["end", "job-1", 0],
    ),
    scenario(
        "pods that go because their Job is suspended are no failures",
        indexed(2, backoffLimit=0, held=True),
        ["patch", "Job", "job", {"spec": {"suspend": True}}],
        ["release", "job"],
        ["patch", "Job", "job", {"spec": {"suspend": False}}],
    ),
    scenario(
        "a Job that is not done by its deadline fails",
        indexed(1, activeDeadlineSeconds=4),
        ["await", "Job", "job", "Failed"],
    ),
    scenario(
        "a finished Job goes after its time to live",
        indexed(1, ttlSecondsAfterFinished=3),
        ["end", "job-0", 0],
        ["await", "Job", "job", "gone"],
    ),
    scenario(
        "more parallelism makes more pods, less deletes some",
        job(completions=4, parallelism=1),
        ["patch", "Job", "job", {"spec": {"parallelism": 3}}],
        ["run", "job"],
        ["patch", "Job", "job", {"spec": {"parallelism": 1}}],
    ),
    scenario(
        "an elastic Indexed Job grows and shrinks",
        indexed(2),
        ["patch", "Job", "job", {"spec": {"parallelism": 3, "completions": 3}}],
        ["end", "job-0", 0],
        ["end", "job-2", 0],
        ["patch", "Job", "job", {"spec": {"parallelism": 2, "completions": 2}}],
        ["end", "job-1", 0],
    ),
    scenario(
        "a policy fails the Job by an exit code",
        indexed(2, backoffLimit=6, podFailurePolicy={"rules": [codes("FailJob", 42)]}),
        ["end", "job-1", 42],
    ),
    scenario(
        "a policy ignores an exit code, and another one counts",
        indexed(
            1, backoffLimit=0, podFailurePolicy={"rules": [codes("Ignore", 7), codes("Count", 0, 7, operator="NotIn")]}
        ),
        ["end", "job-0", 7],
        ["end", "job-0", 8],
    ),
    scenario(
        "a policy ignores disruptions",
        indexed(1, backoffLimit=0, podFailurePolicy={"rules": [disrupted("Ignore")]}),
        ["end", "job-0", 137, DISRUPTION],
        ["end", "job-0", 1],
    ),
    scenario(
        "a policy fails the Job by a condition",
        indexed(1, backoffLimit=6, podFailurePolicy={"rules": [disrupted("FailJob")]}),
        ["end", "job-0", 137, DISRUPTION],
    ),
    scenario(
        "a rule for another container does not match",
        indexed(
            1, backoffLimit=0, podFailurePolicy={"rules": [codes("FailJob", 42, container="main"), codes("Ignore", 1)]}
        ),
        ["end", "job-0", 1],
        ["end", "job-0", 42],
    ),
    scenario(
        "each index has failures of its own",
        indexed(2, backoffLimitPerIndex=1),
        ["end", "job-0", 1],
        ["end", "job-0", 1],
        ["end", "job-1", 0],
    ),
    scenario(
        "more failed indexes than allowed end the Job",
        indexed(3, backoffLimitPerIndex=0, maxFailedIndexes=1),
        ["end", "job-0", 1],
        ["end", "job-2", 1],
    ),
    scenario(
        "a policy fails an index",
        indexed(2, backoffLimitPerIndex=5, podFailurePolicy={"rules": [codes("FailIndex", 42), codes("Ignore", 7)]}),
        ["end", "job-0", 7],
        ["end", "job-0", 42],
        ["end", "job-1", 0],
    ),
    scenario(
        "a Job succeeds by the indexes that its success policy names",
        indexed(3, successPolicy={"rules": [{"succeededIndexes": "0"}]}),
        ["run", "job-1"],
        ["end", "job-1", 0],
        ["end", "job-0", 0],
    ),
    scenario(
        "a Job succeeds by a number of indexes",
        indexed(
            4, successPolicy={"rules": [{"succeededIndexes": "0"}, {"succeededIndexes": "1-3", "succeededCount": 2}]}
        ),
        ["end", "job-1", 0],
        ["end", "job-3", 0],
    ),
    scenario(
        "a success policy waits for the pods that terminate",
        indexed(2, successPolicy={"rules": [{"succeededCount": 1}]}, held=True),
        ["end", "job-0", 0],
        ["release", "job-1"],
    ),
    scenario(
        "a pod that somebody deletes is a failure",
        indexed(1, backoffLimit=0, held=True),
        ["run", "job-0"],
        ["delete", "Pod", "job-0"],
        ["release", "job-0"],
    ),
    scenario(
        "with replacement after failure a pod is replaced when it has ended",
        indexed(1, backoffLimit=1, podReplacementPolicy="Failed", held=True),
        ["run", "job-0"],
        ["delete", "Pod", "job-0"],
        ["end_deleted", "job-0", 143],
        ["release", "job-0"],
    ),
    scenario(
        "a deleted pod that ends well is a success",
        indexed(1, backoffLimit=0, podReplacementPolicy="Failed", held=True),
        ["run", "job-0"],
        ["delete", "Pod", "job-0"],
        ["end_deleted", "job-0", 0],
        ["release", "job-0"],
    ),
    scenario(
        "a Job that another manager has is left alone",
        indexed(1, managedBy="example.com/other"),
    ),
    scenario(
        "a Job without indexes that fails too often",
        job(completions=3, parallelism=2, backoffLimit=1),
        ["end", "job", 1],
        ["end", "job", 0],
        ["end", "job", 1],
    ),
]

OF_JOBSETS: Final = [
    scenario(
        "a JobSet of two replicated jobs runs to its end",
        jobset(replicated("driver"), replicated("node", replicas=2, pods=2), coordinator={"replicatedJob": "driver"}),
        ["run", "set-driver-0-0"],
        ["end", "set-driver-0-0", 0],
        *(["end", f"set-node-{job}-{pod}", 0] for job in range(2) for pod in range(2)),
        marks=True,
    ),
    scenario(
        "a failed Job fails the JobSet",
        jobset(replicated(replicas=2)),
        ["run", "set-node-1-0"],
        ["end", "set-node-0-0", 1],
    ),
    scenario(
        "a JobSet begins anew as often as it may",
        jobset(replicated(replicas=2), failurePolicy={"maxRestarts": 1}),
        ["end", "set-node-0-0", 1],
        ["run", "set-node-0-0"],
        ["run", "set-node-1-0"],
        ["end", "set-node-1-0", 1],
    ),
    scenario(
        "with BlockingRecreate all Jobs begin anew together",
        jobset(replicated(replicas=2), failurePolicy={"maxRestarts": 2, "restartStrategy": "BlockingRecreate"}),
        ["end", "set-node-0-0", 1],
        ["end", "set-node-0-0", 0],
        ["end", "set-node-1-0", 0],
    ),
    scenario(
        "a rule fails the JobSet by the reason of the failure",
        jobset(
            replicated(spec={"podFailurePolicy": {"rules": [codes("FailJob", 42)]}}),
            failurePolicy={
                "maxRestarts": 3,
                "rules": [{"name": "fatal", "action": "FailJobSet", "onJobFailureReasons": ["PodFailurePolicy"]}],
            },
        ),
        ["end", "set-node-0-0", 1],
        ["end", "set-node-0-0", 42],
    ),
    scenario(
        "a rule begins anew without counting",
        jobset(
            replicated("driver"),
            replicated("node"),
            failurePolicy={
                "maxRestarts": 0,
                "rules": [{"action": "RestartJobSetAndIgnoreMaxRestarts", "targetReplicatedJobs": ["node"]}],
            },
        ),
        ["end", "set-node-0-0", 1],
        ["end", "set-driver-0-0", 1],
    ),
    scenario(
        "a rule matches the message of the failure",
        jobset(
            replicated(spec={"podFailurePolicy": {"rules": [codes("FailJob", 42)]}}),
            failurePolicy={
                "maxRestarts": 0,
                "rules": [
                    {
                        "action": "RestartJobSetAndIgnoreMaxRestarts",
                        "onJobFailureMessagePatterns": ["exit code 42 .*index 0"],
                    }
                ],
            },
        ),
        ["end", "set-node-0-0", 42],
        ["end", "set-node-0-0", 1],
    ),
    scenario(
        "any success of the targets completes the JobSet",
        jobset(
            replicated("driver"),
            replicated("node", replicas=2),
            successPolicy={"operator": "Any", "targetReplicatedJobs": ["node"]},
        ),
        ["end", "set-driver-0-0", 0],
        ["end", "set-node-1-0", 0],
    ),
    scenario(
        "a replicated job waits for the one that it depends on to be ready",
        jobset(replicated("driver"), replicated("node", dependsOn=[{"name": "driver", "status": "Ready"}])),
        ["run", "set-driver-0-0"],
        ["end", "set-node-0-0", 0],
        ["end", "set-driver-0-0", 0],
    ),
    scenario(
        "a replicated job waits for the one that it depends on to be complete",
        jobset(replicated("init"), replicated("node", dependsOn=[{"name": "init", "status": "Complete"}])),
        ["run", "set-init-0-0"],
        ["end", "set-init-0-0", 0],
        ["end", "set-node-0-0", 0],
    ),
    scenario(
        "replicated jobs start in order",
        jobset(replicated("driver"), replicated("node"), startupPolicy={"startupPolicyOrder": "InOrder"}),
        ["run", "set-driver-0-0"],
        ["run", "set-node-0-0"],
        ["end", "set-node-0-0", 0],
        ["end", "set-driver-0-0", 0],
    ),
    scenario(
        "a suspended JobSet has suspended Jobs, and goes on when resumed",
        jobset(replicated("driver"), replicated("node"), suspend=True),
        ["patch", "JobSet", "set", {"spec": {"suspend": False}}],
        ["run", "set-driver-0-0"],
        ["patch", "JobSet", "set", {"spec": {"suspend": True}}],
        ["patch", "JobSet", "set", {"spec": {"suspend": False}}],
        ["end", "set-driver-0-0", 0],
        ["end", "set-node-0-0", 0],
    ),
    scenario(
        "a finished JobSet goes after its time to live",
        jobset(replicated(), ttlSecondsAfterFinished=3),
        ["end", "set-node-0-0", 0],
        ["await", "JobSet", "set", "gone"],
    ),
    scenario(
        "without host names there is no Service",
        jobset(replicated(), network={"enableDNSHostnames": False}),
        ["end", "set-node-0-0", 0],
        marks=True,
    ),
    scenario(
        "pods have the subdomain that the JobSet names",
        jobset(replicated(), network={"subdomain": "inside", "publishNotReadyAddresses": False}),
        marks=True,
    ),
    scenario(
        "groups of replicated jobs are counted by themselves",
        jobset(
            replicated("a", groupName="one"),
            replicated("b", replicas=2, groupName="two"),
            replicated("c", groupName="one"),
        ),
        marks=True,
    ),
    scenario(
        "a JobSet makes the claims that its policies name",
        jobset(
            replicated(container={"volumeMounts": [{"name": "data", "mountPath": "/data"}]}),
            volumeClaimPolicies=[
                {
                    "templates": [
                        {
                            "metadata": {"name": "data", "labels": {"mine": "kept"}},
                            "spec": {
                                "accessModes": ["ReadWriteOnce"],
                                "resources": {"requests": {"storage": "1Gi"}},
                            },
                        }
                    ]
                }
            ],
        ),
        ["end", "set-node-0-0", 0],
        marks=True,
    ),
    scenario(
        "claims outlive their JobSet if they are to be retained",
        jobset(
            replicated(container={"volumeMounts": [{"name": "data", "mountPath": "/data"}]}),
            volumeClaimPolicies=[
                {
                    "templates": [
                        {
                            "metadata": {"name": "data"},
                            "spec": {
                                "accessModes": ["ReadWriteOnce"],
                                "resources": {"requests": {"storage": "1Gi"}},
                            },
                        }
                    ],
                    "retentionPolicy": {"whenDeleted": "Retain"},
                }
            ],
        ),
        ["delete", "JobSet", "set"],
    ),
]
