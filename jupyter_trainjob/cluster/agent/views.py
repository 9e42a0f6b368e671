"""What is seen of a pod's containers: their folders, and the runs that this agent looks after, as `plan.View`s."""

from __future__ import annotations

from collections import deque
from typing import Any

from jupyter_trainjob.api import times
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.agent import logs, shim, status
from jupyter_trainjob.cluster.agent.backoff import following
from jupyter_trainjob.cluster.agent.container import ContainerRun
from jupyter_trainjob.cluster.agent.plan import End, View
from jupyter_trainjob.cluster.agent.run import MACHINE_RESTARTED, Run, State
from jupyter_trainjob.cluster.agent.sandbox import Sandbox

LOG_LINES, LOG_BYTES = 80, 2048
"""How much of a log kubelet takes for a message."""


class Lookout:
    """Looks at a pod's folder. Ends are read once, since nothing changes them."""

    def __init__(self, box: Sandbox) -> None:
        self._box = box
        self._ends: dict[tuple[str, int], End] = {}

    def view(self, container: Object, current: ContainerRun | None, pod: Object) -> View:
        """Return what is seen of `container`; `current` looks after its newest run, if anybody does."""
        name = container["name"]
        runs = self._box.runs(name)
        busy = current is not None and not current.done
        if current is not None and (not runs or runs[-1].attempt < current.run.attempt):
            # It has not made its folder yet.
            last = self._end(pod, container, runs[-1]) if runs else None
            problem = current.refused or current.problem
            return View(attempt=current.run.attempt, starting=busy, last=last, due=current.due, problem=problem)
        if not runs:
            return View()
        run, state = runs[-1], runs[-1].state()
        if state is State.LOST and not busy:
            run.declare_lost()
            state = State.ENDED
        last = self._end(pod, container, runs[-2]) if len(runs) > 1 else None
        due = current.due if current is not None else float(run.spec().get("due", 0.0))
        if state is State.ENDED:
            return View(attempt=run.attempt, end=self._end(pod, container, run), last=last, due=due)
        if state is State.NEW and current is None and last is not None:
            due = following(float(runs[-2].spec().get("due", 0.0)), last.ran)
        pids = run.pids() if state is State.RUNNING and (current is None or current.started) else None
        if pids is not None:
            ready = current is None or current.ready
            return View(attempt=run.attempt, running=str(pids["started"]), ready=ready, last=last, due=due)
        problem = (current.refused or current.problem) if current is not None else None
        starting = busy or state is State.RUNNING
        return View(attempt=run.attempt, starting=starting, last=last, due=due, problem=problem)

    def recover(self, pod: Object) -> None:
        """Give an end to runs of which the API knows and the disk does not: a power cut took what was written last."""
        before = pod.get("status") or {}
        for one in (*(before.get("initContainerStatuses") or ()), *(before.get("containerStatuses") or ())):
            state = one.get("state") or {}
            run = self._box.run(one["name"], int(one.get("restartCount") or 0))
            if not {"running", "terminated"} & state.keys() or run.state() is not State.NEW:
                continue
            run.create()
            if "running" in state:
                run.write_end(MACHINE_RESTARTED, started=state["running"].get("startedAt") or "")
            else:
                shim.write_json(str(run.folder / "exit.json"), _as_exit(state["terminated"]))

    def _end(self, pod: Object, container: Object, run: Run) -> End | None:
        key = (run.container, run.attempt)
        if key not in self._ends:
            end = run.exit()
            if end is None:
                return None
            self._ends[key] = _end(pod, container, run, end)
        return self._ends[key]


def _end(pod: Object, container: Object, run: Run, end: dict[str, Any]) -> End:
    code = int(end["code"])
    reason = str(end.get("reason") or ("Completed" if code == 0 else "Error"))
    document: Object = {
        "exitCode": code,
        "reason": reason,
        "startedAt": status.whole(end["started"]),
        "finishedAt": status.whole(end["finished"]),
        "containerID": status.container_id(pod, run.container, run.attempt),
    }
    if message := end.get("message") or _last_words(container, run, code):
        document["message"] = message
    finished = times.seconds(end["finished"])
    return End(code, reason, document, at=finished, ran=finished - times.seconds(end["started"]))


def _last_words(container: Object, run: Run, code: int) -> str:
    """Return what the program left as its message; where it is asked for, the end of its log stands in for that."""
    message = run.termination_message()
    if message or code == 0 or container.get("terminationMessagePolicy") != "FallbackToLogsOnError":
        return message
    last = b"".join(line.partition(b" ")[2] + b"\n" for line in deque(logs.everything(run), maxlen=LOG_LINES))
    return last[-LOG_BYTES:].decode(errors="replace")


def _as_exit(terminated: Object) -> Object:
    """Return the exit status that a run must have left when its container's state is this one."""
    return {
        "code": terminated.get("exitCode", 0),
        "reason": terminated.get("reason", ""),
        "message": terminated.get("message", ""),
        "started": terminated.get("startedAt") or terminated.get("finishedAt") or status.now(),
        "finished": terminated.get("finishedAt") or status.now(),
    }
