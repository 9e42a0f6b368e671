"""Observe a pod's containers: their folders and runs, as `pod_plan.View`s."""

from __future__ import annotations

from collections import deque
from typing import Any

from jupyter_trainjob.api import times
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.cluster.agent.containers import container_logs
from jupyter_trainjob.cluster.agent.containers.container_run import MACHINE_RESTARTED, Run, State
from jupyter_trainjob.cluster.agent.containers.sandbox import Sandbox
from jupyter_trainjob.cluster.agent.pods import pod_status
from jupyter_trainjob.cluster.agent.pods.container import ContainerRun
from jupyter_trainjob.cluster.agent.pods.crash_backoff import next_backoff
from jupyter_trainjob.cluster.agent.pods.pod_plan import End, View
from jupyter_trainjob.cluster.agent.shim import shim

LOG_LINES, LOG_BYTES = 80, 2048
"""Limits of the log tail in a termination message, as kubelet's."""


class ContainerObserver:
    """Observes the containers in a pod's folder. Exit statuses are read once, because they never change."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._ends: dict[tuple[str, int], End] = {}

    def observe(self, container: KubeObject, current: ContainerRun | None, pod: KubeObject) -> View:
        """Return the state of `container`; `current` is the thread of its newest run, if there is one."""
        name = container["name"]
        runs = self._sandbox.runs(name)
        active = current is not None and not current.done
        if current is not None and (not runs or runs[-1].attempt < current.run.attempt):
            # The run has not created its folder yet.
            last = self._end(pod, container, runs[-1]) if runs else None
            problem = current.refused or current.problem
            return View(attempt=current.run.attempt, starting=active, last=last, due=current.due, problem=problem)
        if not runs:
            return View()
        run, state = runs[-1], runs[-1].state()
        if state is State.LOST and not active:
            run.declare_lost()
            state = State.ENDED
        last = self._end(pod, container, runs[-2]) if len(runs) > 1 else None
        due = current.due if current is not None else float(run.spec().get("due", 0.0))
        if state is State.ENDED:
            return View(attempt=run.attempt, end=self._end(pod, container, run), last=last, due=due)
        if state is State.NEW and current is None and last is not None:
            due = next_backoff(float(runs[-2].spec().get("due", 0.0)), last.ran)
        pids = run.pids() if state is State.RUNNING and (current is None or current.started) else None
        if pids is not None:
            ready = current is None or current.ready
            return View(attempt=run.attempt, running=str(pids["started"]), ready=ready, last=last, due=due)
        problem = (current.refused or current.problem) if current is not None else None
        starting = active or state is State.RUNNING
        return View(attempt=run.attempt, starting=starting, last=last, due=due, problem=problem)

    def recover(self, pod: KubeObject) -> None:
        """Write an exit status for runs that are in the API but not on disk, as after a power cut."""
        before = pod.get("status") or {}
        for one in (*(before.get("initContainerStatuses") or ()), *(before.get("containerStatuses") or ())):
            state = one.get("state") or {}
            run = self._sandbox.run(one["name"], int(one.get("restartCount") or 0))
            if not {"running", "terminated"} & state.keys() or run.state() is not State.NEW:
                continue
            run.create()
            if "running" in state:
                run.write_end(MACHINE_RESTARTED, started=state["running"].get("startedAt") or "")
            else:
                shim.write_json(str(run.folder / "exit.json"), _exit_record(state["terminated"]))

    def _end(self, pod: KubeObject, container: KubeObject, run: Run) -> End | None:
        key = (run.container, run.attempt)
        if key not in self._ends:
            end = run.exit()
            if end is None:
                return None
            self._ends[key] = _end_of_run(pod, container, run, end)
        return self._ends[key]


def _end_of_run(pod: KubeObject, container: KubeObject, run: Run, end: dict[str, Any]) -> End:
    code = int(end["code"])
    reason = str(end.get("reason") or ("Completed" if code == 0 else "Error"))
    document: KubeObject = {
        "exitCode": code,
        "reason": reason,
        "startedAt": pod_status.whole_seconds(end["started"]),
        "finishedAt": pod_status.whole_seconds(end["finished"]),
        "containerID": pod_status.container_id(pod, run.container, run.attempt),
    }
    if message := end.get("message") or _termination_message(container, run, code):
        document["message"] = message
    finished = times.unix_seconds(end["finished"])
    return End(code, reason, document, at=finished, ran=finished - times.unix_seconds(end["started"]))


def _termination_message(container: KubeObject, run: Run, code: int) -> str:
    """Return the termination message, or the end of the log with ``FallbackToLogsOnError``."""
    message = run.termination_message()
    if message or code == 0 or container.get("terminationMessagePolicy") != "FallbackToLogsOnError":
        return message
    last = b"".join(line.partition(b" ")[2] + b"\n" for line in deque(container_logs.all_lines(run), maxlen=LOG_LINES))
    return last[-LOG_BYTES:].decode(errors="replace")


def _exit_record(terminated: KubeObject) -> KubeObject:
    """Return the exit status of a run from the ``terminated`` state of its container."""
    return {
        "code": terminated.get("exitCode", 0),
        "reason": terminated.get("reason", ""),
        "message": terminated.get("message", ""),
        "started": terminated.get("startedAt") or terminated.get("finishedAt") or timestamp(),
        "finished": terminated.get("finishedAt") or timestamp(),
    }
