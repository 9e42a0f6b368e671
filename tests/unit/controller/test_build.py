"""Building a JobSet from a TrainJob and a runtime: the pipeline with all its plugins."""

from __future__ import annotations

import base64
import copy
import subprocess
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.controller.framework.info import new_info
from jupyter_trainjob.controller.framework.pipeline_errors import BuildError, Unsupported
from jupyter_trainjob.controller.plugins.jobset import JobSet
from jupyter_trainjob.controller.plugins.plainml import PlainML
from jupyter_trainjob.controller.plugins.registry import build_objects

RANK = {"fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}


def replicated_job(name: str = "node", ancestor: str | None = "trainer", **container: Any) -> KubeObject:
    template: KubeObject = {
        "spec": {"template": {"spec": {"containers": [{"name": name, "image": "image", **container}]}}}
    }
    if ancestor:
        template["metadata"] = {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": ancestor}}
    return {"name": name, "template": template}


def runtime(policy: KubeObject | None = None, *jobs: KubeObject, **template: Any) -> KubeObject:
    spec: KubeObject = {"template": {**template, "spec": {"replicatedJobs": list(jobs or [replicated_job()])}}}
    if policy is not None:
        spec["mlPolicy"] = policy
    metadata = {"name": "runtime"}
    kind = "ClusterTrainingRuntime"
    return {"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def train_job(trainer: KubeObject | None = None, **spec: Any) -> KubeObject:
    if trainer is not None:
        spec["trainer"] = trainer
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": "j", "namespace": "ns", "uid": "u"},
        "spec": {"runtimeRef": {"name": "runtime"}, **spec},
    }


TORCH: KubeObject = {"numNodes": 1, "torch": {}}


def jobset(job: KubeObject, under: KubeObject) -> KubeObject:
    before = copy.deepcopy((job, under))
    [built] = build_objects(job, under)
    assert (job, under) == before, "the pipeline must not change what informers hold"
    return built


def container(built: KubeObject, job: int = 0, index: int = 0) -> KubeObject:
    pods = built["spec"]["replicatedJobs"][job]["template"]["spec"]["template"]["spec"]
    result: KubeObject = pods["containers"][index]
    return result


def env(built: KubeObject, job: int = 0) -> dict[str, Any]:
    return {
        variable["name"]: variable.get("value", variable.get("valueFrom"))
        for variable in container(built, job).get("env", ())
    }


def test_torch_distributed_equals_the_reference_jobset() -> None:
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


PROCESSES: dict[str, tuple[KubeObject, KubeObject, str]] = {
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
def test_processes_per_node(case: tuple[KubeObject, KubeObject, str]) -> None:
    resources, trainer, expected = case
    job = replicated_job(resources=resources) if resources else replicated_job()
    assert env(jobset(train_job(trainer), runtime(TORCH, job)))["PET_NPROC_PER_NODE"] == expected


def test_resources_per_node_override_the_runtimes_by_key_and_keep_claims() -> None:
    job = replicated_job(resources={"limits": {"cpu": "1", "memory": "1Gi"}, "claims": [{"name": "c"}]})
    wanted = {"resourcesPerNode": {"requests": {"cpu": "1"}, "limits": {"memory": "2Gi"}}}
    for policy in (TORCH, None):
        assert container(jobset(train_job(wanted), runtime(policy, job)))["resources"] == {
            "limits": {"cpu": "1", "memory": "2Gi"},
            "requests": {"cpu": "1"},
            "claims": [{"name": "c"}],
        }


def test_number_of_nodes_comes_from_the_job_then_the_policy_then_is_one() -> None:
    def nodes(trainer: KubeObject | None, policy: KubeObject | None, **spec: Any) -> int:
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


def test_torchrun_gets_its_nodes_without_a_trainer_section() -> None:
    assert env(jobset(train_job(), runtime({"numNodes": 2, "torch": {}})))["PET_NNODES"] == "2"


def test_plain_runtimes_get_only_the_environment() -> None:
    trainer = {"numNodes": 2, "env": [{"name": "A", "value": "job"}, {"name": "B"}]}
    job = replicated_job(env=[{"name": "A", "value": "runtime"}, {"name": "C", "value": "c"}])
    built = container(jobset(train_job(trainer), runtime({"numNodes": 1}, job)))
    assert built["env"] == [
        {"name": "A", "value": "job"},
        {"name": "C", "value": "c"},
        {"name": "B", "value": ""},
    ]
    assert "ports" not in built


def test_field_reference_in_the_jobs_environment_keeps_only_the_path() -> None:
    reference = {"fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v1"}}
    built = jobset(train_job({"env": [{"name": "N", "valueFrom": reference}]}), runtime({}))
    assert env(built)["N"] == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_image_command_and_args_of_the_job_override_the_runtimes_even_if_empty() -> None:
    job = replicated_job(command=["sleep"], args=["1"])
    built = container(jobset(train_job({"image": "mine", "args": []}), runtime({}, job)))
    assert (built["image"], built["command"], built["args"]) == ("mine", ["sleep"], [])


def test_unnamed_port_of_the_runtime_is_kept_with_the_rendezvous_port() -> None:
    built = container(jobset(train_job({}), runtime(TORCH, replicated_job(ports=[{"containerPort": 8080}]))))
    assert built["ports"] == [{"containerPort": 8080}, {"containerPort": 29500}]


def test_env_injection_reaches_the_named_containers() -> None:
    job = replicated_job()
    pods = job["template"]["spec"]["template"]["spec"]
    pods["initContainers"] = [{"name": "check"}, {"name": "other"}]
    policy = {"torch": {"envInjection": {"targets": [{"jobName": "node", "containerNames": ["check"]}]}}}
    built = jobset(train_job({"numNodes": 2}), runtime(policy, job))
    first, second = built["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["initContainers"]
    assert {variable["name"]: variable.get("value") for variable in first["env"]}["PET_MASTER_ADDR"] == "j-node-0-0.j"
    assert "env" not in second
    policy["torch"]["envInjection"]["targets"][0]["jobName"] = "nobody"
    with pytest.raises(BuildError, match="'check' of replicated job 'nobody'"):
        build_objects(train_job({}), runtime(policy, job))


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
    assert [job["replicas"] for job in built["spec"]["replicatedJobs"]] == [1, 1, 1]


def test_labels_and_annotations_come_only_from_runtime_and_patches() -> None:
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
    assert [main_container["image"] for main_container in template["spec"]["containers"]] == ["image"]


def test_jobset_fields_of_the_runtime_are_kept() -> None:
    under = runtime({})
    under["spec"]["template"]["spec"].update(ttlSecondsAfterFinished=5, failurePolicy={"maxRestarts": 2})
    built = jobset(train_job({}, suspend=True), under)["spec"]
    assert (built["ttlSecondsAfterFinished"], built["failurePolicy"]) == (5, {"maxRestarts": 2})
    assert built["suspend"] is True


def test_endpoints_are_jobsets_host_names() -> None:
    under = runtime({}, {**replicated_job("launcher", None), "replicas": 2}, replicated_job())
    info = new_info(train_job({"numNodes": 2}), under)
    info.pod_sets[1].count = 2
    JobSet().identify_pod_network(info)
    assert [list(pods.endpoints()) for pods in info.pod_sets] == [
        ["j-launcher-0-0.j", "j-launcher-1-0.j"],
        ["j-node-0-0.j", "j-node-0-1.j"],
    ]


@pytest.mark.parametrize("source", ["mpi", "flux"])
def test_policy_without_a_plugin_is_rejected_by_name(source: str) -> None:
    with pytest.raises(Unsupported, match=rf"'runtime' asks for mlPolicy.{source}, .*Choose another runtime"):
        build_objects(train_job({}), runtime({"numNodes": 1, source: {}}), plugins=(PlainML(), JobSet()))


def test_pod_group_policy_without_a_plugin_is_rejected_by_name() -> None:
    under = runtime({})
    under["spec"]["podGroupPolicy"] = {"volcano": {}}
    with pytest.raises(Unsupported, match=r"podGroupPolicy.volcano"):
        build_objects(train_job({}), under, plugins=(PlainML(), JobSet()))


def test_coscheduling_builds_a_pod_group_of_all_pods_before_the_jobset() -> None:
    per_node = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1", "nvidia.com/gpu": "1"}}
    jobs = (replicated_job("dataset-initializer", "dataset-initializer"), replicated_job(resources=per_node))
    under = runtime(TORCH, *jobs)
    under["spec"]["podGroupPolicy"] = {"coscheduling": {"scheduleTimeoutSeconds": 30}}
    group, built = build_objects(train_job({"numNodes": 3}), under)
    assert (group["kind"], group["metadata"]["name"], built["kind"]) == ("PodGroup", "j", "JobSet")
    assert group["metadata"]["ownerReferences"] == built["metadata"]["ownerReferences"]
    wanted = {"cpu": "1500m", "memory": "3Gi"}
    assert group["spec"] == {"minMember": 4, "minResources": wanted, "scheduleTimeoutSeconds": 30}
    for job in built["spec"]["replicatedJobs"]:
        assert job["template"]["spec"]["template"]["metadata"]["labels"] == {"scheduling.x-k8s.io/pod-group": "j"}


def test_torchtune_gets_recipe_config_and_the_paths_of_the_runtime() -> None:
    paths = ["output_dir=/workspace/output", "tokenizer.path=/workspace/model/tokenizer.model"]
    job = train_job({"command": ["tune", "run"], "args": ["model.lora_attn_modules=[q_proj]"]})
    job["spec"]["runtimeRef"]["name"] = "torchtune-llama3.2-1b"
    resources = {"limits": {"nvidia.com/gpu": "2"}}
    built = jobset(job, runtime(TORCH, replicated_job(command=["tune", "run", "recipe", *paths], resources=resources)))
    assert container(built)["command"] == [
        *("tune", "run", "--rdzv_endpoint=j-node-0-0.j:29500"),
        *("lora_finetune_distributed", "--config", "llama3_2/1B_lora", *paths),
    ]
    assert container(built)["args"] == ["model.lora_attn_modules=[q_proj]"]
    assert not {"PET_MASTER_ADDR", "PET_MASTER_PORT"} & env(built).keys()


def test_jax_gets_the_coordinator_without_settings_of_the_job() -> None:
    expected = {"JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": RANK, "JAX_COORDINATOR_ADDRESS": "j-node-0-0.j:29500"}
    assert env(jobset(train_job(), runtime({"numNodes": 2, "jax": {}}))) == expected


def test_xgboost_counts_a_worker_for_each_gpu() -> None:
    job = replicated_job(resources={"limits": {"nvidia.com/gpu": 4}})
    built = env(jobset(train_job({"numNodes": 2}), runtime({"xgboost": {}}, job)))
    tracker = {"DMLC_TRACKER_URI": "j-node-0-0.j", "DMLC_TRACKER_PORT": "29500"}
    assert built == {**tracker, "DMLC_TASK_ID": RANK, "DMLC_NUM_WORKER": "8"}


MPI = {"mpi": {"numProcPerNode": 1, "runLauncherAsNode": True, "sshAuthMountPath": "/home/user/.ssh"}}


def mpi_runtime(policy: KubeObject = MPI) -> KubeObject:
    gpus = {"limits": {"nvidia.com/gpu": 2}}
    node = replicated_job("node", None, resources=gpus)
    launcher = replicated_job("launcher", "trainer", resources=gpus)
    launcher["template"]["spec"]["template"]["spec"]["containers"][0]["name"] = "node"
    return runtime(policy, node, launcher)


def test_mpi_gets_keys_and_a_hostfile_of_nodes_and_launcher() -> None:
    keys, hostfile, built = build_objects(
        train_job({"numNodes": 3, "env": [{"name": "A", "value": "1"}]}), mpi_runtime()
    )
    assert [obj["metadata"]["name"] for obj in (keys, hostfile, built)] == ["j-mpi-ssh-auth", "j-mpi-hostfile", "j"]
    assert hostfile["data"]["hostfile"].splitlines() == [
        "j-node-0-0.j slots=2",
        "j-node-0-1.j slots=2",
        "j-launcher-0-0.j slots=2",
    ]
    assert keys["immutable"] is True
    for job in (0, 1):
        mounts = {mount["name"]: mount["mountPath"] for mount in container(built, job)["volumeMounts"]}
        assert mounts["mpi-ssh-auth"] == "/home/user/.ssh"
        assert env(built, job)["A"] == "1"
    assert env(built, 1)["OMPI_MCA_orte_set_default_slots"] == "2"


def test_mpi_keys_are_new_ones_that_ssh_reads() -> None:
    first, second = (build_objects(train_job({}), mpi_runtime())[0]["data"] for _ in range(2))
    assert first["ssh-privatekey"] != second["ssh-privatekey"]
    private_key = serialization.load_pem_private_key(base64.b64decode(first["ssh-privatekey"]), None)
    public_key = serialization.load_ssh_public_key(base64.b64decode(first["ssh-publickey"]))
    assert isinstance(private_key, ec.EllipticCurvePrivateKey)
    assert isinstance(private_key.curve, ec.SECP521R1)
    assert private_key.public_key() == public_key


def test_flux_wraps_the_command_for_all_nodes() -> None:
    scripts, _, built = build_objects(
        train_job({"numNodes": 3, "command": ["lmp"], "args": ["-v"]}), runtime({"flux": {"numProcPerNode": 2}})
    )
    assert container(built)["command"] == ["/bin/bash", "/etc/flux-config/entrypoint.sh", "lmp -v"]
    assert "flux run -N 3 -n 6 $*" in scripts["data"]["entrypoint.sh"]
    assert 'hosts = [{ host = "j-node-0-[0-2]" }]' in scripts["data"]["init.sh"]
    for script in scripts["data"].values():
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize("nodes", [0, -1])
def test_job_without_nodes_is_rejected(nodes: int) -> None:
    with pytest.raises(BuildError, match="at least 1 node"):
        build_objects(train_job({"numNodes": nodes}), runtime(TORCH))


def test_invalid_quantity_is_rejected() -> None:
    with pytest.raises(BuildError, match="'much' is not a quantity"):
        build_objects(train_job({"resourcesPerNode": {"limits": {"cpu": "much"}}}), runtime(TORCH))
