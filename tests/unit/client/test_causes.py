"""What recorded pods and events of a real cluster are said to be about, and what to do."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.client import causes
from jupyter_trainjob.client.snapshot import Failure, State
from jupyter_trainjob.worker.protocol import Frame
from tests.unit.client.test_derive import snapshot, trainjob
from tests.unit.metrics.frames import Rank, record_of

FOLDER = Path(__file__).parent / "causes"
PODS: dict[str, Object] = yaml.safe_load((FOLDER / "pods.yaml").read_text())
EVENTS: dict[str, Object] = yaml.safe_load((FOLDER / "events.yaml").read_text())

WAITING = {
    "image that is nowhere": (
        "image 'registry.invalid/team/none:1' cannot be pulled: the node cannot reach",
        "network",
    ),
    "image name that is none": ("image 'Team//Bad:1:2' is no valid name", "Correct the image"),
    "image that may not be pulled": ("is not on the node, and may not be pulled", "imagePullPolicy"),
    "too many processors": ("no node has enough free CPUs (0/1 nodes are available: 1 Insufficient cpu)", "--cpus"),
    "too much memory": ("no node has enough free memory", "--memory"),
    "no gpu": ("no node has enough free GPUs", "--gpus"),
    "no such label": ("no node has the labels that the runtime asks for", ""),
    "no such claim": ("there is no volume claim 'none'", ""),
    "room is being made": ("less important pods are being ended for it", ""),
    "tainted node": ("nodes are reserved for others (taints)", ""),
    "secret that is not there": ('secret "none" not found', "Create it"),
}


@pytest.mark.parametrize(("name", "text", "remedy"), [(name, *told) for name, told in WAITING.items()], ids=WAITING)
def test_a_job_whose_pod_waits_says_why(name: str, text: str, remedy: str) -> None:
    reason = snapshot(trainjob(nodes=1), pod(name)).reason
    assert text in reason
    assert remedy in reason
    assert "preemption:" not in reason


def test_a_pod_that_is_being_prepared_has_no_complaint() -> None:
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
        "volume 'settings' cannot be mounted: what it is made of has no such key",
    ),
    "a disk that is in use": (
        "FailedAttachVolume",
        'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) other-0',
        "volume 'pvc-1' cannot be mounted: it is in use on another node",
    ),
    "storage that does not answer": (
        "FailedMount",
        "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[data]: timed out waiting",
        "volume 'data' cannot be mounted: its storage does not answer in time",
    ),
    "a path of the node": (
        "FailedMount",
        'MountVolume.SetUp failed for volume "data" : hostPath type check failed: /data is not a directory',
        "its path is not there on the node",
    ),
    "anything else": (
        "FailedMount",
        'MountVolume.SetUp failed for volume "data" : rpc error: code = Internal',
        "volume 'data' cannot be mounted (MountVolume.SetUp failed",
    ),
    "the network": (
        "FailedCreatePodSandBox",
        "Failed to create pod sandbox: plugin type=calico failed",
        "its node cannot set it up (Failed to create pod sandbox: plugin type=calico failed). The network",
    ),
    "what the program said itself": ("Unhealthy", "Liveness probe failed", ""),
}


@pytest.mark.parametrize(("why", "message", "told"), PREPARING.values(), ids=PREPARING)
def test_a_pod_whose_containers_are_not_begun_says_why(why: str, message: str, told: str) -> None:
    warned = causes.Warned(why, message)
    reason = snapshot(trainjob(nodes=1), pod("volume that is not there"), warning=warned).reason
    assert (told in reason) if told else (reason == "")


def test_a_deadline_that_passed_while_a_node_waited_says_what_for() -> None:
    job = trainjob(nodes=1, condition=("Failed", "x"))
    job["status"]["conditions"][0]["reason"] = "DeadlineExceeded"
    job["spec"]["activeDeadlineSeconds"] = 60
    found = snapshot(job, pod("too many processors")).failure
    assert found is not None
    assert found.headline.startswith("the job took longer than its deadline of 1m; rank 0 was still waiting: no node")
    assert "--cpus" in found.remedy


ENDED = {
    "program that is not there": ("rank 0 ended with exit code 128", "could not be started"),
    "out of memory": ("rank 0 was killed: it took more memory than its limit", "--memory"),
    "segmentation fault": ("SIGSEGV: native code touched memory", "PYTHONFAULTHANDLER=1"),
    "abort": ("SIGABRT: native code gave up", "last lines of its log"),
    "bus error": ("SIGBUS: ", "/dev/shm"),
    "deadline of a pod": ("rank 0 ran longer than its pod may", "activeDeadlineSeconds"),
    "refused by its node": ("rank 0 was refused by its node: Pod was rejected", "ask for less"),
    "evicted by maintenance": ("rank 0 was taken away: somebody, or maintenance", "--retries"),
    "preempted": ("rank 0 was taken away: it had to make room", "--retries"),
    "node taken out of service": ("rank 0 was taken away: its node was taken out of service", "checkpoint_dir()"),
}


@pytest.mark.parametrize(("name", "headline", "remedy"), [(name, *told) for name, told in ENDED.items()], ids=ENDED)
def test_a_job_whose_pod_was_ended_says_why(name: str, headline: str, remedy: str) -> None:
    found = failed(pod(name))
    assert headline in found.headline
    assert remedy in found.remedy
    assert found.rank == 0


PRESSURE = {
    "disk": ("The node was low on resource: ephemeral-storage. ", "the node's disk was full", "output_dir()"),
    "memory": ("The node was low on resource: memory. ", "the node's memory was full", "--memory"),
    "processes": ("The node was low on resource: pids. ", "too many processes", "fewer"),
    "anything else": ("Usage of EmptyDir volume exceeds the limit. ", "was evicted: Usage of EmptyDir", "--retries"),
}


@pytest.mark.parametrize(("message", "headline", "remedy"), PRESSURE.values(), ids=PRESSURE)
def test_an_eviction_says_what_was_short(message: str, headline: str, remedy: str) -> None:
    evicted = pod("refused by its node")
    evicted["status"] |= {"reason": "Evicted", "message": message}
    found = failed(evicted)
    assert headline in found.headline
    assert remedy in found.remedy


@pytest.mark.parametrize("name", ["out of memory", "preempted", "segmentation fault"])
def test_a_pod_that_was_ended_is_told_before_those_who_lost_it(name: str) -> None:
    lost = said(1, "DistBackendError", "Connection closed by peer")
    assert failed(pod(name), rank=lost).rank == 0


def test_an_exception_of_a_cell_is_told_before_pods_that_ended_for_it() -> None:
    assert failed(pod("preempted"), rank=said(1, "ValueError", "no")).headline == "ValueError: no"


def test_a_package_that_is_missing_is_looked_for_in_the_runtime() -> None:
    found = failed(pod("abort"), rank=said(0, "ModuleNotFoundError", "No module named 'pandas.core'"))
    assert found.headline == "ModuleNotFoundError: No module named 'pandas.core'"
    assert "'torch-distributed' has no package for 'pandas'" in found.remedy


REMEDIES = {
    "a full GPU": ("OutOfMemoryError", "CUDA out of memory. Tried to allocate 2 GiB", causes.GPU_FULL),
    "full memory of the host": ("MemoryError", "", causes.OUT_OF_MEMORY),
    "full shared memory": (
        "RuntimeError",
        "unable to allocate shared memory(shm) for file </torch_1>",
        causes.SHARED_MEMORY,
    ),
    "a pickle of another Python": ("ValueError", "unsupported pickle protocol: 5", causes.OTHER_PYTHON),
    "a library for another NumPy": ("ValueError", "numpy.dtype size changed, may indicate", causes.OTHER_PYTHON),
}


@pytest.mark.parametrize(("kind", "message", "remedy"), REMEDIES.values(), ids=REMEDIES)
def test_exceptions_have_remedies(kind: str, message: str, remedy: str) -> None:
    assert failed(pod("abort"), rank=said(0, kind, message)).remedy == remedy


REFUSED = {
    "quota": ("the quota 'compute' of the namespace is used up: the job asks for requests.cpu=2", "--cpus"),
    "range": ("allows no more memory than 1Gi, and the job asks for 2Gi", "Ask for less with --cpus, --memory"),
    "service account": ("there is no service account 'none'", "serviceAccountName"),
}


@pytest.mark.parametrize(("name", "text", "remedy"), [(name, *told) for name, told in REFUSED.items()], ids=REFUSED)
def test_a_job_without_pods_says_who_refused_them(name: str, text: str, remedy: str) -> None:
    found = snapshot(trainjob(), warning=causes.Warned(EVENTS[name]["reason"], EVENTS[name]["message"]))
    assert found.state is State.QUEUED
    assert text in found.reason
    assert remedy in found.reason


WORDS = {
    "a quota that wants numbers": (
        'Error creating: pods "x" is forbidden: failed quota: compute: must specify requests.cpu for: node',
        "the quota 'compute' of the namespace wants every pod to say its requests.cpu",
    ),
    "a bound without a number": (
        'pods "x" is forbidden: minimum memory usage per Container is 1Gi.  No request is specified',
        "the namespace allows no less memory than 1Gi, and the job does not say how much",
    ),
    "other words stay as they are": ("no matches for kind", "no matches for kind"),
}


@pytest.mark.parametrize(("message", "text"), WORDS.values(), ids=WORDS)
def test_words_of_who_refused(message: str, text: str) -> None:
    assert causes.refused(message).text == text


PULLS = {
    "no such tag": ("failed to resolve reference: registry/x:9: not found", "there is no such image or tag"),
    "a login": ("pull access denied, repository does not exist or may require authorization", "wants a login"),
    "too many": ("429 Too Many Requests - toomanyrequests: You have reached your pull rate limit", "no more downloads"),
    "another processor": ("no match for platform in manifest", "another kind of processor"),
    "a full disk": ("write /var/lib/x: no space left on device", "the node's disk is full"),
    "something else": ("it just does not", "it just does not"),
}


@pytest.mark.parametrize(("message", "text"), PULLS.values(), ids=PULLS)
def test_why_an_image_cannot_be_pulled(message: str, text: str) -> None:
    waits = pod("image that is nowhere")
    waits["status"]["containerStatuses"][0]["state"]["waiting"] = {"reason": "ErrImagePull", "message": message}
    found = causes.waiting(waits)
    assert found is not None
    assert text in found.text


def pod(name: str) -> Object:
    return copy.deepcopy(PODS[name])


def said(number: int, kind: str, message: str) -> list[Frame]:
    texts = {"module": "builtins", "where": "", "source": "", "traceback": "Traceback …"}
    return Rank(number).say("error", type=kind, message=message, time=1.0, **texts)


def failed(*pods: Object, rank: Sequence[Frame] = ()) -> Failure:
    found = snapshot(trainjob(nodes=1, condition=("Failed", "x")), *pods, record=record_of(list(rank))).failure
    assert found is not None
    return found
