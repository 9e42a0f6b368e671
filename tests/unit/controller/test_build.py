"""From a TrainJob and a runtime to a JobSet: the pipeline with all its plugins."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.controller.framework.info import new_info
from jupyter_trainjob.controller.framework.registry import build
from jupyter_trainjob.controller.framework.unsupported import BuildError, Unsupported
from jupyter_trainjob.controller.plugins.jobset import JobSet

RANK = {"fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}


def replicated_job(name: str = "node", ancestor: str | None = "trainer", **container: Any) -> Object:
    template: Object = {"spec": {"template": {"spec": {"containers": [{"name": name, "image": "image", **container}]}}}}
    if ancestor:
        template["metadata"] = {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": ancestor}}
    return {"name": name, "template": template}


def runtime(policy: Object | None = None, *jobs: Object, **template: Any) -> Object:
    spec: Object = {"template": {**template, "spec": {"replicatedJobs": list(jobs or [replicated_job()])}}}
    if policy is not None:
        spec["mlPolicy"] = policy
    metadata = {"name": "runtime"}
    kind = "ClusterTrainingRuntime"
    return {"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def train_job(trainer: Object | None = None, **spec: Any) -> Object:
    if trainer is not None:
        spec["trainer"] = trainer
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": "j", "namespace": "ns", "uid": "u"},
        "spec": {"runtimeRef": {"name": "runtime"}, **spec},
    }


TORCH: Object = {"numNodes": 1, "torch": {}}


def jobset(job: Object, under: Object) -> Object:
    before = copy.deepcopy((job, under))
    [built] = build(job, under)
    assert (job, under) == before, "the pipeline must not change what informers hold"
    return built


def container(built: Object, job: int = 0, index: int = 0) -> Object:
    pods = built["spec"]["replicatedJobs"][job]["template"]["spec"]["template"]["spec"]
    found: Object = pods["containers"][index]
    return found


def env(built: Object) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container(built).get("env", ())}


def test_torch_distributed_becomes_the_jobset_that_the_reference_describes() -> None:
    trainer = {"command": ["torchrun", "/trainjob/job.pyz"], "numNodes": 2, "env": [{"name": "A", "value": "b"}]}
    variables = [
        {"name": "A", "value": "b"},
        {"name": "PET_NNODES", "value": "2"},
        {"name": "PET_NPROC_PER_NODE", "value": "1"},
        {"name": "PET_NODE_RANK", "valueFrom": RANK},
        {"name": "PET_MASTER_ADDR", "value": "j-node-0-0.j"},
        {"name": "PET_MASTER_PORT", "value": "29500"},
    ]
    built_container = {
        "name": "node",
        "image": "image",
        "command": ["torchrun", "/trainjob/job.pyz"],
        "env": variables,
        "ports": [{"containerPort": 29500}],
    }
    expected = {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {
            "name": "j",
            "namespace": "ns",
            "ownerReferences": [
                {
                    "apiVersion": "trainer.kubeflow.org/v1alpha1",
                    "kind": "TrainJob",
                    "name": "j",
                    "uid": "u",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "suspend": False,
            "replicatedJobs": [
                {
                    "name": "node",
                    "replicas": 1,
                    "template": {
                        "metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}},
                        "spec": {
                            "parallelism": 2,
                            "completions": 2,
                            "template": {"spec": {"containers": [built_container]}},
                        },
                    },
                }
            ],
        },
    }
    assert jobset(train_job(trainer), runtime(TORCH)) == expected


PROCESSES: dict[str, tuple[Object, Object, str]] = {
    "one where nothing is asked for": ({}, {}, "1"),
    "as many as wished": ({}, {"numProcPerNode": 3}, "3"),
    "one per processor, rounded up": ({"requests": {"cpu": "2500m"}}, {}, "3"),
    "by the limit where no processors are requested": ({"limits": {"cpu": 4}}, {}, "4"),
    "torchrun decides where there are devices": ({"limits": {"nvidia.com/gpu": "8", "cpu": "16"}}, {}, "auto"),
    "the job's wish for processors counts": (
        {"limits": {"cpu": "2"}},
        {"resourcesPerNode": {"limits": {"cpu": "6"}}},
        "6",
    ),
    "a wish for memory does not hide the runtime's devices": (
        {"limits": {"nvidia.com/gpu": 2}},
        {"resourcesPerNode": {"limits": {"memory": "4Gi"}}},
        "auto",
    ),
    "no devices at all are no devices": ({"limits": {"nvidia.com/gpu": "0", "cpu": "2"}}, {}, "2"),
}


@pytest.mark.parametrize("case", PROCESSES.values(), ids=PROCESSES.keys())
def test_processes_per_node(case: tuple[Object, Object, str]) -> None:
    resources, trainer, expected = case
    job = replicated_job(resources=resources) if resources else replicated_job()
    assert env(jobset(train_job(trainer), runtime(TORCH, job)))["PET_NPROC_PER_NODE"] == expected


def test_resources_per_node_are_laid_over_the_runtimes_key_by_key_and_claims_stay() -> None:
    job = replicated_job(resources={"limits": {"cpu": "1", "memory": "1Gi"}, "claims": [{"name": "c"}]})
    wanted = {"resourcesPerNode": {"requests": {"cpu": "1"}, "limits": {"memory": "2Gi"}}}
    for policy in (TORCH, None):
        assert container(jobset(train_job(wanted), runtime(policy, job)))["resources"] == {
            "limits": {"cpu": "1", "memory": "2Gi"},
            "requests": {"cpu": "1"},
            "claims": [{"name": "c"}],
        }


def test_the_number_of_nodes_comes_from_the_job_else_from_the_policy_else_it_is_one() -> None:
    def nodes(trainer: Object | None, policy: Object | None, **spec: Any) -> int:
        job = replicated_job()
        job["template"]["spec"].update(spec)
        built = jobset(train_job(trainer), runtime(policy, job))["spec"]["replicatedJobs"][0]["template"]["spec"]
        assert built["completions"] == built["parallelism"]
        return int(built["parallelism"])

    assert nodes({"numNodes": 3}, TORCH) == 3
    assert nodes({}, {"numNodes": 4, "torch": {}}) == 4
    assert nodes(None, {"numNodes": 4}) == 4
    assert nodes({"numNodes": 2}, None) == 2
    assert nodes({}, {}, parallelism=5) == 1
    assert nodes({}, None, parallelism=5) == 5


def test_without_a_trainer_section_torchrun_still_learns_of_its_nodes() -> None:
    assert env(jobset(train_job(), runtime({"numNodes": 2, "torch": {}})))["PET_NNODES"] == "2"


def test_plain_runtimes_get_environment_and_nothing_else() -> None:
    trainer = {"numNodes": 2, "env": [{"name": "A", "value": "job"}, {"name": "B"}]}
    job = replicated_job(env=[{"name": "A", "value": "runtime"}, {"name": "C", "value": "c"}])
    built = container(jobset(train_job(trainer), runtime({"numNodes": 1}, job)))
    assert built["env"] == [
        {"name": "A", "value": "job"},
        {"name": "C", "value": "c"},
        {"name": "B", "value": ""},
    ]
    assert "ports" not in built


def test_of_a_field_reference_in_the_jobs_environment_only_the_path_counts() -> None:
    reference = {"fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v1"}}
    built = jobset(train_job({"env": [{"name": "N", "valueFrom": reference}]}), runtime({}))
    assert env(built)["N"] == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_image_command_and_args_of_the_job_replace_the_runtimes_even_if_empty() -> None:
    job = replicated_job(command=["sleep"], args=["1"])
    built = container(jobset(train_job({"image": "mine", "args": []}), runtime({}, job)))
    assert (built["image"], built["command"], built["args"]) == ("mine", ["sleep"], [])


def test_a_port_of_the_runtime_without_a_name_stays_beside_the_rendezvous_port() -> None:
    built = container(jobset(train_job({}), runtime(TORCH, replicated_job(ports=[{"containerPort": 8080}]))))
    assert built["ports"] == [{"containerPort": 8080}, {"containerPort": 29500}]


def test_env_injection_reaches_the_named_containers() -> None:
    job = replicated_job()
    pods = job["template"]["spec"]["template"]["spec"]
    pods["initContainers"] = [{"name": "check"}, {"name": "other"}]
    policy = {"torch": {"envInjection": {"targets": [{"jobName": "node", "containerNames": ["check"]}]}}}
    built = jobset(train_job({"numNodes": 2}), runtime(policy, job))
    first, second = built["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["initContainers"]
    assert {each["name"]: each.get("value") for each in first["env"]}["PET_MASTER_ADDR"] == "j-node-0-0.j"
    assert "env" not in second
    policy["torch"]["envInjection"]["targets"][0]["jobName"] = "nobody"
    with pytest.raises(BuildError, match="'check' of replicated job 'nobody'"):
        build(train_job({}), runtime(policy, job))


def test_initializers_get_uri_environment_and_secret() -> None:
    jobs = [replicated_job(name, name) for name in ("dataset-initializer", "model-initializer")]
    dataset = {"storageUri": "hf://data/set", "env": [{"name": "A", "value": "a"}], "secretRef": {"name": "token"}}
    job = train_job({}, initializer={"dataset": dataset})
    built = jobset(job, runtime({}, *jobs, replicated_job()))
    assert container(built, 0)["env"] == [
        {"name": "STORAGE_URI", "value": "hf://data/set"},
        {"name": "A", "value": "a"},
    ]
    assert container(built, 0)["envFrom"] == [{"secretRef": {"name": "token"}}]
    assert "env" not in container(built, 1)
    assert [each["replicas"] for each in built["spec"]["replicatedJobs"]] == [1, 1, 1]


def test_labels_and_annotations_come_from_runtime_and_patches_never_from_the_train_job() -> None:
    job = train_job({})
    job["metadata"]["labels"] = {"mine": "stays here"}
    metadata = {"labels": {"b": "patch"}, "annotations": {"c": "patch"}}
    patch = {"manager": "example.com/me", "trainingRuntimeSpec": {"template": {"metadata": metadata}}}
    job["spec"]["runtimePatches"] = [patch]
    built = jobset(job, runtime({}, metadata={"labels": {"a": "runtime", "b": "runtime"}}))
    assert built["metadata"]["labels"] == {"a": "runtime", "b": "patch"}
    assert built["metadata"]["annotations"] == {"c": "patch"}


def test_runtime_patches_reach_the_pods() -> None:
    pod = {"volumes": [{"name": "v", "emptyDir": {}}], "containers": [{"name": "node", "env": []}]}
    jobs = [
        {"name": "node", "template": {"spec": {"template": {"metadata": {"annotations": {"a": "b"}}, "spec": pod}}}}
    ]
    patch = {"manager": "example.com/me", "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": jobs}}}}
    built = jobset(train_job({}, runtimePatches=[patch]), runtime({}))
    template = built["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]
    assert template["metadata"] == {"annotations": {"a": "b"}}
    assert template["spec"]["volumes"] == [{"name": "v", "emptyDir": {}}]
    assert [each["image"] for each in template["spec"]["containers"]] == ["image"]


def test_what_the_runtime_says_about_the_jobset_passes_through() -> None:
    under = runtime({})
    under["spec"]["template"]["spec"].update(ttlSecondsAfterFinished=5, failurePolicy={"maxRestarts": 2})
    built = jobset(train_job({}, suspend=True), under)["spec"]
    assert (built["ttlSecondsAfterFinished"], built["failurePolicy"]) == (5, {"maxRestarts": 2})
    assert built["suspend"] is True


def test_endpoints_are_the_host_names_that_jobset_gives() -> None:
    under = runtime({}, {**replicated_job("launcher", None), "replicas": 2}, replicated_job())
    info = new_info(train_job({"numNodes": 2}), under)
    info.pod_sets[1].count = 2
    JobSet().identify_pod_network(info)
    assert [pods.endpoints for pods in info.pod_sets] == [
        ["j-launcher-0-0.j", "j-launcher-1-0.j"],
        ["j-node-0-0.j", "j-node-0-1.j"],
    ]


@pytest.mark.parametrize("source", ["mpi", "jax", "xgboost", "flux"])
def test_a_policy_that_no_plugin_implements_is_refused_by_name(source: str) -> None:
    with pytest.raises(Unsupported, match=rf"'runtime' asks for mlPolicy.{source}, .*Choose another runtime"):
        build(train_job({}), runtime({"numNodes": 1, source: {}}))


def test_a_pod_group_policy_that_no_plugin_implements_is_refused_by_name() -> None:
    under = runtime({})
    under["spec"]["podGroupPolicy"] = {"volcano": {}}
    with pytest.raises(Unsupported, match=r"podGroupPolicy.volcano"):
        build(train_job({}), under)


def test_coscheduling_makes_a_pod_group_of_all_pods_before_the_jobset() -> None:
    per_node = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1", "nvidia.com/gpu": "1"}}
    jobs = (replicated_job("dataset-initializer", "dataset-initializer"), replicated_job(resources=per_node))
    under = runtime(TORCH, *jobs)
    under["spec"]["podGroupPolicy"] = {"coscheduling": {"scheduleTimeoutSeconds": 30}}
    group, made = build(train_job({"numNodes": 3}), under)
    assert (group["kind"], group["metadata"]["name"], made["kind"]) == ("PodGroup", "j", "JobSet")
    assert group["metadata"]["ownerReferences"] == made["metadata"]["ownerReferences"]
    wanted = {"cpu": "1500m", "memory": "3Gi"}
    assert group["spec"] == {"minMember": 4, "minResources": wanted, "scheduleTimeoutSeconds": 30}
    for job in made["spec"]["replicatedJobs"]:
        assert job["template"]["spec"]["template"]["metadata"]["labels"] == {"scheduling.x-k8s.io/pod-group": "j"}


def test_torchtune_is_refused_and_says_what_to_do() -> None:
    with pytest.raises(Unsupported, match=r"tune run.*Write the whole torchtune command line"):
        build(train_job({"command": ["tune", "run"]}), runtime(TORCH))


@pytest.mark.parametrize("nodes", [0, -1])
def test_a_job_without_nodes_is_refused(nodes: int) -> None:
    with pytest.raises(BuildError, match="at least 1 node"):
        build(train_job({"numNodes": nodes}), runtime(TORCH))


def test_a_quantity_that_is_none_is_refused() -> None:
    with pytest.raises(BuildError, match="'much' is not a quantity"):
        build(train_job({"resourcesPerNode": {"limits": {"cpu": "much"}}}), runtime(TORCH))
