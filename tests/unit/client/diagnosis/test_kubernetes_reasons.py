"""Explanations and remedies for recorded pods and events of a real cluster."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.client.diagnosis import kubernetes_reasons
from jupyter_trainjob.client.snapshot import Failure, State
from jupyter_trainjob.worker.protocol import Frame
from tests.unit.client.state.test_derive import snapshot, trainjob
from tests.unit.metrics.frames import Rank, record_of

FOLDER = Path(__file__).parent / "causes"
PODS: dict[str, KubeObject] = yaml.safe_load((FOLDER / "pods.yaml").read_text())
EVENTS: dict[str, KubeObject] = yaml.safe_load((FOLDER / "events.yaml").read_text())

WAITING = {
    "image that is nowhere": (
        "image 'registry.invalid/team/none:1' cannot be pulled: the node cannot reach",
        "network",
    ),
    "invalid image name": ("image 'Team//Bad:1:2' is not a valid image name", "Correct the image"),
    "image that may not be pulled": ("is not on the node, and may not be pulled", "imagePullPolicy"),
    "too many processors": ("no node has enough free CPUs (0/1 nodes are available: 1 Insufficient cpu)", "--cpus"),
    "too much memory": ("no node has enough free memory", "--memory"),
    "no gpu": ("no node has enough free GPUs", "--gpus"),
    "no such label": ("no node has the labels that the runtime asks for", ""),
    "no such claim": ("there is no volume claim 'none'", ""),
    "preemption in progress": ("pods of lower priority are being preempted for it", ""),
    "tainted node": ("nodes are reserved for others (taints)", ""),
    "missing secret": ('secret "none" not found', "Create it"),
}


@pytest.mark.parametrize(
    ("name", "text", "remedy"), [(name, *expected) for name, expected in WAITING.items()], ids=WAITING
)
def test_reason_of_a_job_with_a_waiting_pod(name: str, text: str, remedy: str) -> None:
    reason = snapshot(trainjob(nodes=1), pod(name)).reason
    assert text in reason
    assert remedy in reason
    assert "preemption:" not in reason


def test_pod_in_normal_startup_has_no_reason() -> None:
    assert snapshot(trainjob(nodes=1), pod("volume that is not there")).reason == ""


PREPARING = {
    "a ConfigMap": (
        "FailedMount",
        'MountVolume.SetUp failed for volume "settings" : configmap "none" not found',
        "volume 'settings' cannot be mounted: there is no configmap 'none' in the namespace. Create it",
    ),
    "a key": (
        "FailedMount",
        'MountVolume.SetUp failed for volume "settings" : references non-existent config key: a.yaml',
        "volume 'settings' cannot be mounted: its source has no such key",
    ),
    "a disk that is in use": (
        "FailedAttachVolume",
        'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) other-0',
        "volume 'pvc-1' cannot be mounted: it is attached to another node",
    ),
    "storage that does not answer": (
        "FailedMount",
        "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[data]: timed out waiting",
        "volume 'data' cannot be mounted: its storage does not answer in time",
    ),
    "a path of the node": (
        "FailedMount",
        'MountVolume.SetUp failed for volume "data" : hostPath type check failed: /data is not a directory',
        "its path does not exist on the node",
    ),
    "anything else": (
        "FailedMount",
        'MountVolume.SetUp failed for volume "data" : rpc error: code = Internal',
        "volume 'data' cannot be mounted (MountVolume.SetUp failed",
    ),
    "the network": (
        "FailedCreatePodSandBox",
        "Failed to create pod sandbox: plugin type=calico failed",
        "its node cannot set it up (Failed to create pod sandbox: plugin type=calico failed). Usually the network",
    ),
    "a warning of the program": ("Unhealthy", "Liveness probe failed", ""),
}


@pytest.mark.parametrize(("event_reason", "message", "expected"), PREPARING.values(), ids=PREPARING)
def test_reason_of_a_pod_whose_containers_do_not_start(event_reason: str, message: str, expected: str) -> None:
    warned = kubernetes_reasons.WarningEvent(event_reason, message)
    reason = snapshot(trainjob(nodes=1), pod("volume that is not there"), warning=warned).reason
    assert (expected in reason) if expected else (reason == "")


def test_failure_at_the_deadline_has_the_reason_of_a_waiting_node() -> None:
    job = trainjob(nodes=1, condition=("Failed", "x"))
    job["status"]["conditions"][0]["reason"] = "DeadlineExceeded"
    job["spec"]["activeDeadlineSeconds"] = 60
    failure = snapshot(job, pod("too many processors")).failure
    assert failure is not None
    assert failure.headline.startswith("the job took longer than its deadline of 1m; rank 0 was still waiting: no node")
    assert "--cpus" in failure.remedy


ENDED = {
    "missing program": ("rank 0 ended with exit code 128", "could not be started"),
    "out of memory": ("rank 0 was killed: it took more memory than its limit", "--memory"),
    "segmentation fault": ("SIGSEGV: native code accessed invalid memory", "PYTHONFAULTHANDLER=1"),
    "abort": ("SIGABRT: native code aborted", "last lines of its log"),
    "bus error": ("SIGBUS: ", "/dev/shm"),
    "deadline of a pod": ("rank 0 ran longer than its pod is allowed to", "activeDeadlineSeconds"),
    "refused by its node": ("rank 0 was refused by its node: Pod was rejected", "ask for less"),
    "evicted by maintenance": ("rank 0 was disrupted: its node was drained", "--retries"),
    "preempted": ("rank 0 was disrupted: it was preempted by a pod", "--retries"),
    "node taken out of service": ("rank 0 was disrupted: its node was taken out of service", "checkpoint_dir()"),
}


@pytest.mark.parametrize(
    ("name", "headline", "remedy"), [(name, *expected) for name, expected in ENDED.items()], ids=ENDED
)
def test_failure_of_a_job_whose_pod_was_ended(name: str, headline: str, remedy: str) -> None:
    failure = failed(pod(name))
    assert headline in failure.headline
    assert remedy in failure.remedy
    assert failure.rank == 0


PRESSURE = {
    "disk": ("The node was low on resource: ephemeral-storage. ", "the node's disk was full", "output_dir()"),
    "memory": ("The node was low on resource: memory. ", "the node's memory was full", "--memory"),
    "processes": ("The node was low on resource: pids. ", "too many processes", "fewer"),
    "anything else": ("Usage of EmptyDir volume exceeds the limit. ", "was evicted: Usage of EmptyDir", "--retries"),
}


@pytest.mark.parametrize(("message", "headline", "remedy"), PRESSURE.values(), ids=PRESSURE)
def test_eviction_names_the_exhausted_resource(message: str, headline: str, remedy: str) -> None:
    evicted = pod("refused by its node")
    evicted["status"] |= {"reason": "Evicted", "message": message}
    failure = failed(evicted)
    assert headline in failure.headline
    assert remedy in failure.remedy


@pytest.mark.parametrize("name", ["out of memory", "preempted", "segmentation fault"])
def test_ended_pod_takes_precedence_over_connection_errors_of_others(name: str) -> None:
    lost = error(1, "DistBackendError", "Connection closed by peer")
    assert failed(pod(name), rank=lost).rank == 0


def test_exception_of_the_cell_takes_precedence_over_ended_pods() -> None:
    assert failed(pod("preempted"), rank=error(1, "ValueError", "no")).headline == "ValueError: no"


def test_missing_package_has_a_remedy_that_names_the_runtime() -> None:
    failure = failed(pod("abort"), rank=error(0, "ModuleNotFoundError", "No module named 'pandas.core'"))
    assert failure.headline == "ModuleNotFoundError: No module named 'pandas.core'"
    assert "'torch-distributed' has no package for 'pandas'" in failure.remedy


REMEDIES = {
    "a full GPU": (
        "OutOfMemoryError",
        "CUDA out of memory. Tried to allocate 2 GiB",
        kubernetes_reasons.GPU_MEMORY_FULL,
    ),
    "full memory of the host": ("MemoryError", "", kubernetes_reasons.OUT_OF_MEMORY),
    "full shared memory": (
        "RuntimeError",
        "unable to allocate shared memory(shm) for file </torch_1>",
        kubernetes_reasons.SHARED_MEMORY_FULL,
    ),
    "a pickle of another Python": ("ValueError", "unsupported pickle protocol: 5", kubernetes_reasons.VERSION_MISMATCH),
    "a library for another NumPy": (
        "ValueError",
        "numpy.dtype size changed, may indicate",
        kubernetes_reasons.VERSION_MISMATCH,
    ),
}


@pytest.mark.parametrize(("kind", "message", "remedy"), REMEDIES.values(), ids=REMEDIES)
def test_exceptions_have_remedies(kind: str, message: str, remedy: str) -> None:
    assert failed(pod("abort"), rank=error(0, kind, message)).remedy == remedy


REFUSED = {
    "quota": ("the quota 'compute' of the namespace is used up: the job asks for requests.cpu=2", "--cpus"),
    "range": ("allows no more memory than 1Gi, and the job asks for 2Gi", "Ask for less with --cpus, --memory"),
    "service account": ("there is no service account 'none'", "serviceAccountName"),
}


@pytest.mark.parametrize(
    ("name", "text", "remedy"), [(name, *expected) for name, expected in REFUSED.items()], ids=REFUSED
)
def test_reason_of_a_job_whose_pods_were_rejected(name: str, text: str, remedy: str) -> None:
    status = snapshot(
        trainjob(), warning=kubernetes_reasons.WarningEvent(EVENTS[name]["reason"], EVENTS[name]["message"])
    )
    assert status.state is State.QUEUED
    assert text in status.reason
    assert remedy in status.reason


WORDS = {
    "a quota that wants numbers": (
        'Error creating: pods "x" is forbidden: failed quota: compute: must specify requests.cpu for: node',
        "the quota 'compute' of the namespace requires every pod to set its requests.cpu",
    ),
    "a bound without a number": (
        'pods "x" is forbidden: minimum memory usage per Container is 1Gi.  No request is specified',
        "the namespace allows no less memory than 1Gi, and the job does not say how much",
    ),
    "other words stay as they are": ("no matches for kind", "no matches for kind"),
}


@pytest.mark.parametrize(("message", "text"), WORDS.values(), ids=WORDS)
def test_explain_rejection(message: str, text: str) -> None:
    assert kubernetes_reasons.explain_rejection(message).text == text


PULLS = {
    "no such tag": ("failed to resolve reference: registry/x:9: not found", "there is no such image or tag"),
    "a login": ("pull access denied, repository does not exist or may require authorization", "requires a login"),
    "too many": ("429 Too Many Requests - toomanyrequests: You have reached your pull rate limit", "no more downloads"),
    "another processor": ("no match for platform in manifest", "another processor architecture"),
    "a full disk": ("write /var/lib/x: no space left on device", "the node's disk is full"),
    "something else": ("it just does not", "it just does not"),
}


@pytest.mark.parametrize(("message", "text"), PULLS.values(), ids=PULLS)
def test_explain_image_pull_error(message: str, text: str) -> None:
    waits = pod("image that is nowhere")
    waits["status"]["containerStatuses"][0]["state"]["waiting"] = {"reason": "ErrImagePull", "message": message}
    explanation = kubernetes_reasons.explain_waiting_pod(waits)
    assert explanation is not None
    assert text in explanation.text


def pod(name: str) -> KubeObject:
    return copy.deepcopy(PODS[name])


def error(number: int, kind: str, message: str) -> list[Frame]:
    texts = {"module": "builtins", "where": "", "source": "", "traceback": "Traceback …"}
    return Rank(number).say("error", type=kind, message=message, time=1.0, **texts)


def failed(*pods: KubeObject, rank: Sequence[Frame] = ()) -> Failure:
    failure = snapshot(trainjob(nodes=1, condition=("Failed", "x")), *pods, record=record_of(list(rank))).failure
    assert failure is not None
    return failure
