"""Explain why a pod waits, was removed or ended, and what to do about it. Pure.

Inputs are pods, messages of events, exit codes and exceptions; the result is a `Cause`. `failure` uses it for failed
jobs, `derive` and `nodes` for waiting ones, so that both show the same text.
"""

from __future__ import annotations

import re
import signal
from typing import NamedTuple

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import KubeObject


class Cause(NamedTuple):
    """A cause and its remedy, one line each; the remedy may be empty."""

    text: str
    remedy: str = ""

    @property
    def sentence(self) -> str:
        """Return cause and remedy in one line."""
        return f"{self.text.rstrip('.')}. {self.remedy}" if self.remedy else self.text


OUT_OF_MEMORY = (
    "Out of memory is the usual cause: load less data at once, use fewer ranks on a node, or more with --memory."
)
PORT_TAKEN = (
    "Something else listens on that port. Take the port from os.environ['MASTER_PORT'], which is free for this job, or "
    "bind port 0, instead of a number such as 29500 that another job may hold."
)
GPU_MEMORY_FULL = "The GPU's memory is full: try smaller batches or more nodes; nvidia-smi shows who else uses it."
SHARED_MEMORY_FULL = (
    "Usually shared memory (/dev/shm) is full: use fewer DataLoader workers (num_workers=0 uses none), smaller "
    "batches, or a runtime that mounts a larger /dev/shm."
)
VERSION_MISMATCH = (
    "The job's Python or a library has another version than the notebook's: choose a runtime with the same ones, or "
    "send plain data (lists, dicts, arrays) instead of such objects."
)
REMEDIES = (
    (r"EADDRINUSE|address already in use", PORT_TAKEN),
    (r"CUDA out of memory|torch\.OutOfMemoryError|HIP out of memory", GPU_MEMORY_FULL),
    (r"\bMemoryError\b|DefaultCPUAllocator: can't allocate memory|Cannot allocate memory", OUT_OF_MEMORY),
    (r"\bshm\b|bus error|insufficient shared memory", SHARED_MEMORY_FULL),
    (
        r"no kernel image is available|CUDA driver version is insufficient",
        "The image's CUDA does not fit the node's GPU or driver: choose a runtime with another image, or other nodes.",
    ),
    (
        (
            r"unsupported pickle protocol|bad magic number|numpy\.dtype size changed|compiled using NumPy 1\.x"
            r"|No module named 'numpy\._core|GLIBC\w*_[\d.]+' not found|undefined symbol"
        ),
        VERSION_MISMATCH,
    ),
    (
        r"nccl\d* requires at least one CUDA device|ProcessGroupNCCL is only supported with GPUs",
        'NCCL needs a GPU on each node: use dist.init_process_group("gloo") on CPUs, or ask for GPUs with --gpus.',
    ),
    (r"No space left on device", "The disk is full: write less, remove old files, or use a runtime with more space."),
)
"""Remedies by regular expressions for the failure or the last lines of the node's log."""

_SIGNALS = {
    signal.SIGSEGV: (
        "native code accessed invalid memory",
        "A native library is at fault: set PYTHONFAULTHANDLER=1 with --env to see the line of Python that called it.",
    ),
    signal.SIGABRT: ("native code aborted", "The last lines of its log usually show the cause."),
    signal.SIGBUS: ("mapped memory could not be backed, often a full /dev/shm", SHARED_MEMORY_FULL),
    signal.SIGILL: (
        "the processor does not support an instruction",
        "A library was built for a newer processor: choose another image, or other nodes.",
    ),
    signal.SIGFPE: ("native code divided by zero", "Look for an integer divisor that is 0 in the last call."),
    signal.SIGXCPU: ("its CPU time limit is reached", "Raise the limit (ulimit -t) where the job runs."),
    signal.SIGSYS: ("a system call is forbidden", "Ask the cluster's administrator about its seccomp profile."),
}


def is_signal(code: int) -> bool:
    """Whether an exit code means a signal: shells and container runtimes add its number to 128."""
    return 128 < code <= 128 + 64


def explain_signal(code: int) -> Cause:
    """Return the signal that an exit code means, as text for use in parentheses."""
    number = code - 128
    if number not in set(signal.Signals):
        return Cause(f"signal {number}")
    kind = signal.Signals(number)
    if kind is signal.SIGKILL:
        return Cause(kind.name, OUT_OF_MEMORY)
    meaning, remedy = _SIGNALS.get(kind, ("", ""))
    return Cause(f"{kind.name}: {meaning}" if meaning else kind.name, remedy)


def missing_module_remedy(message: str, runtime: str) -> str:
    """Return the remedy for a ModuleNotFoundError; empty if its message names no module."""
    match = re.search(r"No module named '([^'.]+)", message)
    return (
        f"The runtime {runtime!r} has no package for {match[1]!r}. On this computer, install it into the notebook's "
        "environment; on a cluster, choose a runtime whose image has it with --runtime, or add it to that image."
        if match
        else ""
    )


_DISRUPTIONS = {
    "PreemptionByScheduler": (
        "it was preempted by a pod of higher priority",
        "Run it again with --retries, or when the cluster is less busy; a higher priority class prevents preemption.",
    ),
    "DeletionByTaintManager": (
        "its node was taken out of service or was lost",
        "Run it again with --retries, and --storage: it continues on another node from checkpoint_dir().",
    ),
    "DeletionByPodGC": (
        "its node no longer exists",
        "Run it again with --retries, and --storage: it continues on another node from checkpoint_dir().",
    ),
    "EvictionByEvictionAPI": (
        "its node was drained, for example for maintenance",
        "Run it again with --retries, and --storage: it continues on another node from checkpoint_dir().",
    ),
    "TerminationByKubelet": (
        "its node shut down or ran short of a resource",
        "Run it again with --retries, or request the memory that it uses with --memory.",
    ),
}
_PRESSURE = {
    "ephemeral-storage": ("the node's disk was full", "Write less into the container, or into output_dir()."),
    "memory": (
        "the node's memory was full",
        "Request the memory that it uses with --memory: pods within their requests are evicted last.",
    ),
    "pids": ("the node had too many processes", "Start fewer processes in the job."),
}


def explain_disruption(pod: KubeObject) -> Cause | None:
    """Return why the cluster evicted, rejected or deleted a pod; None if it did not.

    See https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions for the reasons.
    """
    status = pod.get("status") or {}
    reason, message = str(status.get("reason") or ""), str(status.get("message") or "")
    if reason == "Evicted":
        for word, (reason_text, remedy) in _PRESSURE.items():
            if word in message:
                return Cause(f"was evicted: {reason_text} ({message.rstrip()})", remedy)
        return Cause(f"was evicted: {message.rstrip() or 'no reason is given'}", "Run it again with --retries.")
    if reason.startswith("OutOf"):
        return Cause(
            f"was refused by its node: {message or reason}",
            "Other pods took the resources first: run it again, or ask for less with --cpus, --memory or --gpus.",
        )
    target = conditions.get_condition(pod, "DisruptionTarget")
    if target is not None and target.get("status") == "True":
        known = _DISRUPTIONS.get(str(target.get("reason")))
        if known is not None:
            return Cause(f"was disrupted: {known[0]}", known[1])
        return Cause(f"was disrupted: {target.get('message') or target.get('reason')}")
    if reason == "DeadlineExceeded":
        return Cause("ran longer than its pod is allowed to", "Raise activeDeadlineSeconds of the runtime's pods.")
    if reason in ("NodeLost", "Terminated", "Shutdown", "NodeShutdown"):
        return Cause("was disrupted: its node shut down or was lost", _DISRUPTIONS["DeletionByPodGC"][1])
    return None


def explain_waiting_pod(pod: KubeObject) -> Cause | None:
    """Return why a pod does not run yet; None if no reason is known."""
    scheduled = conditions.get_condition(pod, "PodScheduled")
    if scheduled and scheduled["status"] == "False":
        return explain_unschedulable(str(scheduled["message"])) if scheduled.get("message") else None
    status = pod.get("status") or {}
    images = {
        container["name"]: str(container.get("image") or "")
        for container in (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"])
    }
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("message") or waiting.get("reason") in _IMAGE_REASONS:
            return _explain_waiting_container(
                str(waiting.get("reason") or ""), str(waiting.get("message") or ""), images.get(container["name"], "")
            )
    return None


_RESOURCE_NAMES = {"cpu": "CPUs", "memory": "memory", "ephemeral-storage": "disk", "nvidia.com/gpu": "GPUs"}
_SCHEDULER_MESSAGES = (
    (r"Insufficient ([\w./-]+?)(?=[,.]?(?:\s|$))", ""),
    (
        r"didn't match Pod's node affinity/selector",
        "no node has the labels that the runtime asks for",
    ),
    (r"untolerated taint", "nodes are reserved for others (taints)"),
    (r"were unschedulable", "nodes are closed for maintenance"),
    (r"Too many pods", "nodes have reached their limit of pods"),
    (r"persistentvolumeclaim \"([^\"]+)\" not found", "there is no volume claim {0!r}"),
    (r"unbound immediate PersistentVolumeClaims", "its volume claim has no volume yet"),
    (r"volume node affinity conflict", "its volume is on another node"),
    (r"scheduling gates", "a queue holds it back until there is room (scheduling gates)"),
)
_REQUEST_LESS = "Ask for less with --cpus, --memory, --gpus or --nodes, or wait until other jobs end."


def explain_unschedulable(message: str) -> Cause:
    """Explain why no node fits a pod, followed by the scheduler's own message."""
    reasons, _, preemption = message.partition(" preemption: ")
    words, short = [], [_RESOURCE_NAMES.get(name, name) for name in re.findall(_SCHEDULER_MESSAGES[0][0], reasons)]
    if short:
        words.append(f"no node has enough free {' and '.join(dict.fromkeys(short))}")
    for pattern, text in _SCHEDULER_MESSAGES[1:]:
        match = re.search(pattern, reasons)
        if match:
            words.append(text.format(*match.groups()))
    if "preempting" in preemption:
        words.append("pods of lower priority are being preempted for it")
    if not words:
        return Cause(message)
    return Cause(
        f"{'; '.join(words)} ({reasons.strip().rstrip('.')})",
        _REQUEST_LESS if short and "preempting" not in preemption else "",
    )


_IMAGE_REASONS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_PULL_ERRORS = (
    (
        r"unauthorized|authentication required|no basic auth|denied|401|403 Forbidden",
        "the registry requires a login, or has no such image",
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
    (r"no space left", "the node's disk is full", "Ask the cluster's administrator to make room on its nodes."),
    (
        r"no match for platform|exec format",
        "the image is built for another processor architecture",
        "Use an image for the nodes' processors.",
    ),
)


def _explain_waiting_container(reason: str, message: str, image: str) -> Cause:
    named = f"image {image!r}" if image else "its image"
    if reason == "InvalidImageName":
        return Cause(f"{named} is not a valid image name", "Correct the image of the runtime.")
    if reason == "ErrImageNeverPull":
        return Cause(
            f"{named} is not on the node, and may not be pulled",
            "Load it onto the node, or change imagePullPolicy of the runtime.",
        )
    if reason in _IMAGE_REASONS:
        for pattern, explanation, remedy in _PULL_ERRORS:
            if re.search(pattern, message, re.IGNORECASE):
                return Cause(f"{named} cannot be pulled: {explanation} ({reason})", remedy)
        return Cause(f"{named} cannot be pulled ({reason}): {message}", "Check the image of the runtime.")
    if reason == "CreateContainerConfigError":
        return Cause(
            f"its container refers to an object that does not exist: {message}",
            "Create it in the job's namespace, or take it out of the runtime.",
        )
    if reason == "CrashLoopBackOff":
        return Cause(f"its container crashes repeatedly: {message}", "Its log says why.")
    return Cause(f"{reason}: {message}")


class WarningEvent(NamedTuple):
    """The newest Warning event about a job or its child objects."""

    reason: str
    message: str


STARTUP_WARNINGS = ("FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox", "NetworkNotReady")
"""Reasons of Warnings about a pod before its containers start, which its status does not contain."""
_MOUNT_ERRORS = (
    (r"(configmap|secret) \"([^\"]+)\" not found", "there is no {0} {1!r} in the namespace", "Create it there."),
    (
        r"references non-existent config key: (\S+)|non-existent secret key: (\S+)",
        "its source has no such key",
        "Add the key.",
    ),
    (
        r"Multi-Attach error|already (?:used|exclusively attached)",
        "it is attached to another node, and can be attached to one node at a time",
        "Wait until the pods that use it have ended, or use a volume that many nodes can share (ReadWriteMany).",
    ),
    (
        r"hostPath type check failed",
        "its path does not exist on the node",
        "Create it on the nodes, or use another volume.",
    ),
    (
        r"timed out waiting|deadline exceeded|Unable to attach or mount",
        "its storage does not answer in time",
        "Ask the cluster's administrator about its storage.",
    ),
    (
        r"[Pp]ermission denied|access denied",
        "its storage denies access",
        "Ask the cluster's administrator about its storage.",
    ),
)


def is_starting_without_reason(pod: KubeObject) -> bool:
    """Whether a pod is scheduled but has not started, and its status contains no reason."""
    status = pod.get("status") or {}
    return status.get("phase") == "Pending" and bool(pod["spec"].get("nodeName")) and explain_waiting_pod(pod) is None


def explain_startup_warning(warning: WarningEvent) -> Cause | None:
    """Return why a pod's containers do not start (volumes, network); None for any other Warning."""
    if warning.reason not in STARTUP_WARNINGS:
        return None
    if warning.reason in ("FailedCreatePodSandBox", "NetworkNotReady"):
        return Cause(
            f"its node cannot set it up ({warning.message.strip()})",
            "Usually the network of that node is not ready: ask the cluster's administrator.",
        )
    volume = re.search(r"volume \"([^\"]+)\"|volumes=\[([^\]]+)\]", warning.message)
    named = f"volume {next(filter(None, volume.groups()))!r}" if volume else "a volume"
    for pattern, explanation, remedy in _MOUNT_ERRORS:
        match = re.search(pattern, warning.message)
        if match:
            return Cause(f"{named} cannot be mounted: {explanation.format(*match.groups())}", remedy)
    return Cause(f"{named} cannot be mounted ({warning.message.strip()})", "Correct it in the runtime.")


def explain_rejection(message: str) -> Cause:
    """Explain a Warning about a job whose pods could not be created."""
    match = re.search(r"exceeded quota: (\S+), requested: (.+), used: (.+), limited: (.+)", message)
    if match:
        quota, requested, used, limit = match.groups()
        return Cause(
            f"the quota {quota!r} of the namespace is used up: the job asks for {requested}, in use are {used}, "
            f"allowed are {limit}",
            "Ask for less with --nodes, --cpus, --memory or --gpus, end other jobs (%trainjob list), or use another "
            "namespace.",
        )
    match = re.search(r"failed quota: (\S+): must specify (\S+) for: (\S+)", message)
    if match:
        return Cause(
            f"the quota {match[1]!r} of the namespace requires every pod to set its {match[2]}",
            "Set what a node needs with --cpus and --memory.",
        )
    match = re.search(
        r"(maximum|minimum) (\S+) usage per (?:Container|Pod) is ([^,\s]+)(?:, but (?:\w+) is (\S+))?", message
    )
    if match:
        bound = {"maximum": "more", "minimum": "less"}[match[1]]
        requested = f"asks for {match[4]}" if match[4] else "does not say how much"
        return Cause(
            f"the namespace allows no {bound} {match[2]} than {match[3].rstrip('.')}, and the job "
            f"{requested.rstrip('.')}",
            f"Ask for {'less' if bound == 'more' else 'more'} with --cpus, --memory or --gpus.",
        )
    match = re.search(r"serviceaccount \"([^\"]+)\" not found", message)
    if match:
        return Cause(
            f"there is no service account {match[1]!r} in the namespace",
            "Create it, or take serviceAccountName out of the runtime.",
        )
    return Cause(message)
