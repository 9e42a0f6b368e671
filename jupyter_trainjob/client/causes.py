"""What Kubernetes says of a pod that waits, was taken away or ended, in words, with what to do about it. Pure.

In: pods, messages of events, exit codes, texts of exceptions. Out: a `Cause`, one line each for what and what to do.
`failure` tells it of a job that failed, `derive` and `nodes` of one that waits: the same words live and afterwards.
"""

from __future__ import annotations

import re
import signal
from typing import NamedTuple

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import Object


class Cause(NamedTuple):
    """What is the matter, and what to do."""

    text: str
    remedy: str = ""

    @property
    def told(self) -> str:
        """Return both in one line."""
        return f"{self.text.rstrip('.')}. {self.remedy}" if self.remedy else self.text


OUT_OF_MEMORY = (
    "Out of memory is the usual cause: ask for less data at once, fewer ranks on a node, or more with --memory."
)
PORT_TAKEN = (
    "Something else listens on that port. Take the port from os.environ['MASTER_PORT'], which is free for this job, or "
    "bind port 0, instead of a number such as 29500 that another job may hold."
)
GPU_FULL = "The GPU's memory is full: try smaller batches or more nodes; nvidia-smi shows who else uses it."
SHARED_MEMORY = (
    "Shared memory (/dev/shm) is full, as a rule: use fewer DataLoader workers (num_workers=0 uses none), smaller "
    "batches, or a runtime that mounts a larger /dev/shm."
)
OTHER_PYTHON = (
    "The job's Python or a library has another version than the notebook's: choose a runtime with the same ones, or "
    "send plain data (lists, dicts, arrays) instead of such objects."
)
REMEDIES = (
    (r"EADDRINUSE|address already in use", PORT_TAKEN),
    (r"CUDA out of memory|torch\.OutOfMemoryError|HIP out of memory", GPU_FULL),
    (r"\bMemoryError\b|DefaultCPUAllocator: can't allocate memory|Cannot allocate memory", OUT_OF_MEMORY),
    (r"\bshm\b|bus error|insufficient shared memory", SHARED_MEMORY),
    (
        r"no kernel image is available|CUDA driver version is insufficient",
        "The image's CUDA does not fit the node's GPU or driver: choose a runtime with another image, or other nodes.",
    ),
    (
        (
            r"unsupported pickle protocol|bad magic number|numpy\.dtype size changed|compiled using NumPy 1\.x"
            r"|No module named 'numpy\._core|GLIBC\w*_[\d.]+' not found|undefined symbol"
        ),
        OTHER_PYTHON,
    ),
    (r"No space left on device", "The disk is full: write less, remove old files, or use a runtime with more space."),
)
"""What to do, by what the failure, or the end of that node's log, says."""

_SIGNALS = {
    signal.SIGSEGV: (
        "native code touched memory that is not its own",
        "A native library is at fault: set PYTHONFAULTHANDLER=1 with --env to see the line of Python that called it.",
    ),
    signal.SIGABRT: ("native code gave up by itself", "The last lines of its log say why, as a rule."),
    signal.SIGBUS: ("memory was promised that is not there", SHARED_MEMORY),
    signal.SIGILL: (
        "the processor does not know an instruction",
        "A library was built for a newer processor: choose another image, or other nodes.",
    ),
    signal.SIGFPE: ("native code divided by zero", "Look for a whole number that is 0 in what it calls last."),
    signal.SIGXCPU: ("its limit of processor time is used up", "Raise the limit (ulimit -t) where the job runs."),
    signal.SIGSYS: ("a call of the system is forbidden there", "Ask who runs the cluster about its seccomp profile."),
}


def is_signal(code: int) -> bool:
    """Whether an exit code says that a signal ended a program: shells and runtimes add its number to 128."""
    return 128 < code <= 128 + 64


def ended_by(code: int) -> Cause:
    """Return which signal an exit code says that a program was ended by, to stand in brackets."""
    number = code - 128
    if number not in set(signal.Signals):
        return Cause(f"signal {number}")
    kind = signal.Signals(number)
    if kind is signal.SIGKILL:
        return Cause(kind.name, OUT_OF_MEMORY)
    what, remedy = _SIGNALS.get(kind, ("", ""))
    return Cause(f"{kind.name}: {what}" if what else kind.name, remedy)


def missing_module(message: str, runtime: str) -> str:
    """Return what to do about a ModuleNotFoundError; empty where its message names no module."""
    found = re.search(r"No module named '([^'.]+)", message)
    return (
        f"The runtime {runtime!r} has no package for {found[1]!r}: choose one whose image has it with --runtime, or "
        "add it to that image (on this computer: install it into the notebook's environment)."
        if found
        else ""
    )


_DISRUPTIONS = {
    "PreemptionByScheduler": (
        "it had to make room for a more important pod",
        "Run it again with --retries, or when the cluster is less busy; a higher priority class would have kept it.",
    ),
    "DeletionByTaintManager": (
        "its node was taken out of service or was lost",
        "Run it again with --retries, and --storage: it goes to another node, and on from checkpoint_dir().",
    ),
    "DeletionByPodGC": (
        "its node is gone",
        "Run it again with --retries, and --storage: it goes to another node, and on from checkpoint_dir().",
    ),
    "EvictionByEvictionAPI": (
        "somebody, or maintenance, asked its node to be emptied",
        "Run it again with --retries, and --storage: it goes to another node, and on from checkpoint_dir().",
    ),
    "TerminationByKubelet": (
        "its node shut down or ran short of something",
        "Run it again with --retries, or ask for what it uses with --memory.",
    ),
}
_PRESSURE = {
    "ephemeral-storage": ("the node's disk was full", "Write less into the container, or into output_dir()."),
    "memory": ("the node's memory was full", "Ask for what it uses with --memory: who asks is evicted last."),
    "pids": ("the node had too many processes", "Start fewer processes in the cell."),
}


def taken_away(pod: Object) -> Cause | None:
    """Return why the cluster ended a pod or would not have it; None where it did neither."""
    status = pod.get("status") or {}
    reason, message = str(status.get("reason") or ""), str(status.get("message") or "")
    if reason == "Evicted":
        for word, (what, remedy) in _PRESSURE.items():
            if word in message:
                return Cause(f"was evicted: {what} ({message.rstrip()})", remedy)
        return Cause(f"was evicted: {message.rstrip() or 'its node does not say why'}", "Run it again with --retries.")
    if reason.startswith("OutOf"):
        return Cause(
            f"was refused by its node: {message or reason}",
            "Others took the room first: run it again, or ask for less with --cpus, --memory or --gpus.",
        )
    target = conditions.get(pod, "DisruptionTarget")
    if target is not None and target.get("status") == "True":
        found = _DISRUPTIONS.get(str(target.get("reason")))
        if found is not None:
            return Cause(f"was taken away: {found[0]}", found[1])
        return Cause(f"was taken away: {target.get('message') or target.get('reason')}")
    if reason == "DeadlineExceeded":
        return Cause("ran longer than its pod may", "Raise activeDeadlineSeconds of the runtime's pods.")
    if reason in ("NodeLost", "Terminated", "Shutdown", "NodeShutdown"):
        return Cause("was taken away: its node shut down or was lost", _DISRUPTIONS["DeletionByPodGC"][1])
    return None


def waiting(pod: Object) -> Cause | None:
    """Return why a pod does not run yet; None where nothing is known to be in its way."""
    scheduled = conditions.get(pod, "PodScheduled")
    if scheduled and scheduled["status"] == "False":
        return unscheduled(str(scheduled["message"])) if scheduled.get("message") else None
    status = pod.get("status") or {}
    images = {
        each["name"]: str(each.get("image") or "")
        for each in (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"])
    }
    for each in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        found = (each.get("state") or {}).get("waiting") or {}
        if found.get("message") or found.get("reason") in _IMAGE:
            return _held(str(found.get("reason") or ""), str(found.get("message") or ""), images.get(each["name"], ""))
    return None


_UNITS = {"cpu": "CPUs", "memory": "memory", "ephemeral-storage": "disk", "nvidia.com/gpu": "GPUs"}
_PLACES = (
    (r"Insufficient ([\w./-]+?)(?=[,.]?(?:\s|$))", ""),
    (
        r"didn't match Pod's node affinity/selector",
        "no node has the labels that the runtime asks for",
    ),
    (r"untolerated taint", "nodes are reserved for others (taints)"),
    (r"were unschedulable", "nodes are closed for maintenance"),
    (r"Too many pods", "nodes hold as many pods as they may"),
    (r"persistentvolumeclaim \"([^\"]+)\" not found", "there is no volume claim {0!r}"),
    (r"unbound immediate PersistentVolumeClaims", "its volume claim has no volume yet"),
    (r"volume node affinity conflict", "its volume is on another node"),
    (r"scheduling gates", "a queue holds it back until there is room (scheduling gates)"),
)
_LESS = "Ask for less with --cpus, --memory, --gpus or --nodes, or wait until other jobs end."


def unscheduled(message: str) -> Cause:
    """Return in words why no node takes a pod, with the scheduler's own words behind them."""
    said, _, preemption = message.partition(" preemption: ")
    words, short = [], [_UNITS.get(name, name) for name in re.findall(_PLACES[0][0], said)]
    if short:
        words.append(f"no node has enough free {' and '.join(dict.fromkeys(short))}")
    for pattern, text in _PLACES[1:]:
        found = re.search(pattern, said)
        if found:
            words.append(text.format(*found.groups()))
    if "preempting" in preemption:
        words.append("less important pods are being ended for it")
    if not words:
        return Cause(message)
    return Cause(
        f"{'; '.join(words)} ({said.strip().rstrip('.')})", _LESS if short and "preempting" not in preemption else ""
    )


_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_PULLS = (
    (
        r"unauthorized|authentication required|no basic auth|denied|401|403 Forbidden",
        "the registry wants a login, or has no such image",
        "Check the image's name, and the imagePullSecrets of the runtime's pods.",
    ),
    (r"not found|manifest unknown", "there is no such image or tag", "Correct the image of the runtime."),
    (
        r"toomanyrequests|429",
        "the registry allows no more downloads for now",
        "Wait, or use a mirror or a login (imagePullSecrets).",
    ),
    (
        r"dial tcp|no such host|i/o timeout|connection refused|proxyconnect|TLS|deadline exceeded",
        "the node cannot reach the registry",
        "Check the registry's name in the runtime's image, and the network and proxy of the nodes.",
    ),
    (r"no space left", "the node's disk is full", "Ask who runs the cluster to make room on its nodes."),
    (
        r"no match for platform|exec format",
        "the image is built for another kind of processor",
        "Use an image for the nodes' processors.",
    ),
)


def _held(reason: str, message: str, image: str) -> Cause:
    named = f"image {image!r}" if image else "its image"
    if reason == "InvalidImageName":
        return Cause(f"{named} is no valid name of an image", "Correct the image of the runtime.")
    if reason == "ErrImageNeverPull":
        return Cause(
            f"{named} is not on the node, and may not be pulled",
            "Load it onto the node, or change imagePullPolicy of the runtime.",
        )
    if reason in _IMAGE:
        for pattern, what, remedy in _PULLS:
            if re.search(pattern, message, re.IGNORECASE):
                return Cause(f"{named} cannot be pulled: {what} ({reason})", remedy)
        return Cause(f"{named} cannot be pulled ({reason}): {message}", "Check the image of the runtime.")
    if reason == "CreateContainerConfigError":
        return Cause(
            f"its container lacks something that it refers to: {message}",
            "Create it in the job's namespace, or take it out of the runtime.",
        )
    if reason == "CrashLoopBackOff":
        return Cause(f"its container ends again and again: {message}", "Its log says why.")
    return Cause(f"{reason}: {message}")


class Warned(NamedTuple):
    """The newest Warning of the cluster about a job, or about what was made of it."""

    reason: str
    message: str


PREPARING = ("FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox", "NetworkNotReady")
"""Reasons of Warnings about a pod whose containers are not begun yet; its status says nothing of them."""
_MOUNTS = (
    (r"(configmap|secret) \"([^\"]+)\" not found", "there is no {0} {1!r} in the namespace", "Create it there."),
    (
        r"references non-existent config key: (\S+)|non-existent secret key: (\S+)",
        "what it is made of has no such key",
        "Add the key.",
    ),
    (
        r"Multi-Attach error|already (?:used|exclusively attached)",
        "it is in use on another node, and can be on one at a time",
        "Wait until what uses it has ended, or use a volume that many nodes can share (ReadWriteMany).",
    ),
    (
        r"hostPath type check failed",
        "its path is not there on the node",
        "Create it on the nodes, or use another volume.",
    ),
    (
        r"timed out waiting|deadline exceeded|Unable to attach or mount",
        "its storage does not answer in time",
        "Ask who runs the cluster about its storage.",
    ),
    (r"[Pp]ermission denied|access denied", "its storage refuses it", "Ask who runs the cluster about its storage."),
)


def is_prepared(pod: Object) -> bool:
    """Whether a pod has its node, and says neither why it does not begin nor that it has."""
    status = pod.get("status") or {}
    return status.get("phase") == "Pending" and bool(pod["spec"].get("nodeName")) and waiting(pod) is None


def preparing(warned: Warned) -> Cause | None:
    """Return why a pod's containers are not begun: a volume, the network; None for any other Warning."""
    if warned.reason not in PREPARING:
        return None
    if warned.reason in ("FailedCreatePodSandBox", "NetworkNotReady"):
        return Cause(
            f"its node cannot set it up ({warned.message.strip()})",
            "The network of that node is not ready, as a rule: ask who runs the cluster.",
        )
    volume = re.search(r"volume \"([^\"]+)\"|volumes=\[([^\]]+)\]", warned.message)
    named = f"volume {next(filter(None, volume.groups()))!r}" if volume else "a volume"
    for pattern, what, remedy in _MOUNTS:
        found = re.search(pattern, warned.message)
        if found:
            return Cause(f"{named} cannot be mounted: {what.format(*found.groups())}", remedy)
    return Cause(f"{named} cannot be mounted ({warned.message.strip()})", "Correct it in the runtime.")


def refused(message: str) -> Cause:
    """Return in words what a Warning about a job of which there are no pods says."""
    found = re.search(r"exceeded quota: (\S+), requested: (.+), used: (.+), limited: (.+)", message)
    if found:
        quota, asked, used, limit = found.groups()
        return Cause(
            f"the quota {quota!r} of the namespace is used up: the job asks for {asked}, in use are {used}, allowed "
            f"are {limit}",
            "Ask for less with --nodes, --cpus, --memory or --gpus, end other jobs (%trainjob list), or use another "
            "namespace.",
        )
    found = re.search(r"failed quota: (\S+): must specify (\S+) for: (\S+)", message)
    if found:
        return Cause(
            f"the quota {found[1]!r} of the namespace wants every pod to say its {found[2]}",
            "Say what a node needs with --cpus and --memory.",
        )
    found = re.search(
        r"(maximum|minimum) (\S+) usage per (?:Container|Pod) is ([^,\s]+)(?:, but (?:\w+) is (\S+))?", message
    )
    if found:
        bound = {"maximum": "more", "minimum": "less"}[found[1]]
        asked = f"asks for {found[4]}" if found[4] else "does not say how much"
        return Cause(
            f"the namespace allows no {bound} {found[2]} than {found[3].rstrip('.')}, and the job {asked.rstrip('.')}",
            f"Ask for {'less' if bound == 'more' else 'more'} with --cpus, --memory or --gpus.",
        )
    found = re.search(r"serviceaccount \"([^\"]+)\" not found", message)
    if found:
        return Cause(
            f"there is no service account {found[1]!r} in the namespace",
            "Create it, or take serviceAccountName out of the runtime.",
        )
    return Cause(message)
