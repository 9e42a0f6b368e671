"""TrainJobs and runtimes that cover every pair of what a TrainJob can ask for."""

from __future__ import annotations

from typing import Any, Final

from jupyter_trainjob.api.resources import KubeObject

from .pairwise import Case, Dimensions

ANCESTOR: Final = "trainer.kubeflow.org/trainjob-ancestor-step"

DIMENSIONS: Final[Dimensions] = {
    "policy": ("none", "torch", "torchtune", "jax", "xgboost", "mpi", "mpi-launcher", "coscheduling"),
    "initializer": ("none", "dataset", "both"),
    "patch": ("none", "metadata", "placement", "volume", "security context", "service account", "two managers"),
    "resources": ("none", "cpus in the runtime", "cpus in the job", "gpus in the runtime", "gpus in the job"),
    "processes": (None, 1, 4),
    "nodes": (None, 1, 3),
    "suspend": (False, True),
    "deadline": (None, 600),
    "containers": ("one", "sidecar", "init"),
    "trainer": ("empty", "command", "env"),
}
_RESOURCES: Final = {
    "cpus": {"requests": {"cpu": "2500m", "memory": "1Gi"}},
    "gpus": {"limits": {"nvidia.com/gpu": "2", "cpu": "4"}},
}


def build_runtime(name: str, case: Case) -> KubeObject:
    """Return the TrainingRuntime of a case, without a namespace."""
    jobs: list[KubeObject] = []
    for step in {"none": (), "dataset": ("dataset",), "both": ("dataset", "model")}[case["initializer"]]:
        initializer: KubeObject = {
            "name": f"{step}-initializer",
            "image": "initializer",
            "volumeMounts": [{"name": "initializer", "mountPath": "/workspace"}],
        }
        template = _template(initializer, volumes=[{"name": "initializer", "emptyDir": {}}])
        template["metadata"] = {"labels": {ANCESTOR: f"{step}-initializer"}}
        jobs.append({"name": f"{step}-initializer", "template": template})
    container: KubeObject = {"name": "node", "image": "image", "env": [{"name": "A", "value": "1"}]}
    place, _, where = case["resources"].partition(" in the ")
    if where == "runtime":
        container["resources"] = _RESOURCES[place]
    if case["policy"] == "torchtune":
        container["command"] = ["tune", "run", "recipe", "output_dir=/workspace/output"]
    template = _template(container)
    pod_spec = template["spec"]["template"]["spec"]
    if case["containers"] == "sidecar":
        pod_spec["containers"].append({"name": "side", "image": "side"})
    if case["containers"] == "init":
        pod_spec["initContainers"] = [{"name": "first", "image": "first"}]
    node: KubeObject = {"name": "node", "template": template}
    if case["policy"] == "mpi-launcher":
        launcher = _template({"name": "node", "image": "image"})
        launcher["metadata"] = {"labels": {ANCESTOR: "trainer"}}
        jobs += [node, {"name": "launcher", "template": launcher}]
    else:
        template["metadata"] = {"labels": {ANCESTOR: "trainer"}}
        jobs.append(node)
    policies: KubeObject = {
        "none": {},
        "torchtune": {"torch": {}},
        "mpi": {"mpi": {}},
        "mpi-launcher": {"mpi": {"runLauncherAsNode": True}},
        "coscheduling": {"torch": {}},
    }
    policy = policies.get(case["policy"], {case["policy"]: {}})
    spec: KubeObject = {"mlPolicy": {"numNodes": 1, **policy}, "template": {"spec": {"replicatedJobs": jobs}}}
    if case["policy"] == "coscheduling":
        spec["podGroupPolicy"] = {"coscheduling": {"scheduleTimeoutSeconds": 30}}
    return {"metadata": {"name": name}, "spec": spec}


def build_train_job(name: str, runtime: str, case: Case) -> KubeObject:
    """Return the TrainJob of a case, without a namespace."""
    trainer: KubeObject = {}
    if case["nodes"] is not None:
        trainer["numNodes"] = case["nodes"]
    if case["processes"] is not None:
        trainer["numProcPerNode"] = case["processes"]
    place, _, where = case["resources"].partition(" in the ")
    if where == "job":
        trainer["resourcesPerNode"] = _RESOURCES[place]
    if case["trainer"] == "command":
        trainer |= {"image": "mine", "command": ["python", "train.py"], "args": ["--fast"]}
    if case["trainer"] == "env":
        trainer["env"] = [{"name": "B", "value": "2"}, {"name": "A", "value": "3"}]
    if case["policy"] == "torchtune":
        trainer |= {"command": ["tune", "run"], "args": ["epochs=1"]}
    spec: KubeObject = {"runtimeRef": {"name": runtime, "kind": "TrainingRuntime"}, "trainer": trainer}
    initializer: KubeObject = {
        "dataset": {"storageUri": "hf://data/set", "env": [{"name": "TOKEN", "value": "x"}]},
        "model": {"storageUri": "hf://mo/del", "secretRef": {"name": "token"}},
    }
    if case["initializer"] != "none":
        steps = ("dataset",) if case["initializer"] == "dataset" else ("dataset", "model")
        spec["initializer"] = {step: initializer[step] for step in steps}
    if case["suspend"]:
        spec["suspend"] = True
    if case["deadline"] is not None:
        spec["activeDeadlineSeconds"] = case["deadline"]
    if patches := _patches(case["patch"]):
        spec["runtimePatches"] = patches
    return {"metadata": {"name": name}, "spec": spec}


def pod_patch(manager: str, spec: KubeObject, **metadata: KubeObject) -> KubeObject:
    """Return a runtime patch for the pods of job ``node``."""
    pods: KubeObject = {"spec": spec}
    if metadata:
        pods["metadata"] = metadata
    job = {"name": "node", "template": {"spec": {"template": pods}}}
    return {"manager": manager, "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": [job]}}}}


def _patches(kind: str) -> list[KubeObject]:
    volume = {"name": "data", "emptyDir": {}}
    mount = {"name": "data", "mountPath": "/data"}
    toleration = {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}
    labels = {"labels": {"team": "a"}, "annotations": {"note": "b"}}
    job_metadata = {"template": {"metadata": labels}}
    placement = {"nodeSelector": {"zone": "a"}, "tolerations": [toleration]}
    return {
        "none": [],
        "metadata": [{"manager": "a.example/one", "trainingRuntimeSpec": job_metadata}],
        "placement": [pod_patch("a.example/one", placement, labels={"pod": "c"})],
        "volume": [
            pod_patch("a.example/one", {"volumes": [volume], "containers": [{"name": "node", "volumeMounts": [mount]}]})
        ],
        "security context": [pod_patch("a.example/one", {"securityContext": {"runAsUser": 7}})],
        "service account": [pod_patch("a.example/one", {"serviceAccountName": "robot"})],
        "two managers": [
            pod_patch("a.example/one", {"nodeSelector": {"zone": "a", "disk": "fast"}}),
            pod_patch("b.example/two", {"nodeSelector": {"zone": "b"}}, annotations={"d": "e"}),
        ],
    }[kind]


def _template(container: KubeObject, **pod_spec: Any) -> KubeObject:
    return {"spec": {"template": {"spec": {"containers": [container], **pod_spec}}}}
