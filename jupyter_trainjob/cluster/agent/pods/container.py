"""One run of a container, from an empty folder to an exit status, in a thread of its own.

In: the container and the folder of its run. Out: a shim that was started and has ended; meanwhile `started`, or why it
has not started yet (`problem`) or never will (`refused`). Each change is reported with `changed`. A run that an earlier
agent started is only waited for. The thread blocks in the kernel: on the pipe of a starting shim, then on its lock.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.agent import network
from jupyter_trainjob.cluster.agent.containers.container_run import Run, State
from jupyter_trainjob.cluster.agent.containers.forkserver_pool import TRIES, ForkServerPool
from jupyter_trainjob.cluster.agent.containers.preparation import (
    Host,
    SharedResources,
    cached_finder,
    prepare_container,
)
from jupyter_trainjob.cluster.agent.containers.shim_launcher import Launched, launch_shim
from jupyter_trainjob.cluster.agent.containers.start_throttle import COLD, WARM, StartPermit, StartThrottle
from jupyter_trainjob.cluster.agent.pod_condition import PodCondition
from jupyter_trainjob.cluster.agent.pods.pod_events import field_path
from jupyter_trainjob.cluster.agent.pods.pod_plan import Problem
from jupyter_trainjob.cluster.agent.pods.probes import Prober, resolve_port
from jupyter_trainjob.cluster.agent.start_errors import FindObject, MissingReference, StartRefused
from jupyter_trainjob.cluster.agent.volumes.dir_watch import DirWatch
from jupyter_trainjob.controller.event_recorder import WARNING, EventRecorder
from jupyter_trainjob.kube.client import Watch

RETRY_SECONDS = 1.0
MAX_RETRY_SECONDS = 30.0

_log = logging.getLogger(__name__)


class LogKeeper(Protocol):
    """Archives the log of a pod before its folder is removed."""

    def keep(self, pod: KubeObject, lines: Iterable[bytes]) -> None:
        """Archive the `lines` of `pod`, which begin with timestamps."""


@dataclass(frozen=True)
class AgentContext:
    """The parts of the agent that pod threads use."""

    pods: Path
    host: Host
    events: EventRecorder
    pool: ForkServerPool
    pacing: StartThrottle
    changes: DirWatch
    keep: LogKeeper | None
    stopped: threading.Event
    forget: Callable[[str], None]
    clock: Callable[[], float]
    """Returns Unix seconds, for back-off and deadlines."""


class ContainerRun:
    """Runs a container once."""

    def __init__(
        self,
        context: AgentContext,
        pod: KubeObject,
        container: KubeObject,
        run: Run,
        *,
        due: float,
        shared_resources: Callable[[FindObject], SharedResources],
        changed: Callable[[], None],
    ) -> None:
        """`due` is the back-off in seconds after this run; `shared_resources` returns the resources of the pod."""
        self.run = run
        self.due = due
        self.started = False
        self.done = False
        self.problem: Problem | None = None
        self.refused: Problem | None = None
        self.condition: PodCondition | None = None
        self._prober: Prober | None = None
        self._entered: StartPermit | None = None
        self._context = context
        self._pod = pod
        self._container = container
        self._shared_resources = shared_resources
        self._changed = changed
        self._lock = threading.Lock()
        self._given_up = threading.Event()
        self._watch: Watch | None = None
        name = f"pod-{pod['metadata']['name']}-{container['name']}"
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    @property
    def ready(self) -> bool:
        """Return whether the readiness probe, if any, succeeds."""
        return self._prober is None or self._prober.ready

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def give_up(self) -> None:
        """Cancel the start; a running program is stopped with `Run.request_stop`."""
        self._given_up.set()
        with self._lock:
            watch = self._watch
        if watch is not None:
            watch.close()
        self._context.pool.wake()
        self._context.pacing.wake()

    def join(self) -> None:
        """Wait for the thread."""
        self._thread.join()

    def _serve(self) -> None:
        try:
            launched: Launched | None = None
            if self.run.state() is State.NEW:
                launched = self._launch()
                if launched is None:
                    return
            self._start_probe()
            self.started = True
            self._changed()
            self.run.wait()
            if self._prober is not None:
                self._prober.stop()
            if launched is not None:
                launched.reap()
            if not self._context.stopped.is_set():  # else the next agent uses the folder
                self.run.declare_lost()
            self._context.changes.wake(self.run.log)
        except Exception:  # noqa: BLE001 - the pod must end with a status
            _log.exception("pod %s: the agent failed", self._pod["metadata"]["name"])
            self.refused = Problem("AgentError", "the agent failed to run this pod; the daemon's log says why")
        finally:
            if self._entered is not None:
                self._entered.release()
            self.done = True
            self._changed()

    def _start_probe(self) -> None:
        """Start the container's readiness probe, if it has one."""
        probe = self._container.get("readinessProbe")
        kind = (probe or {}).get("httpGet") or (probe or {}).get("tcpSocket")
        if not probe or not kind:
            return
        address = network.pod_address(self._pod["metadata"]["namespace"], network.qualified_name(self._pod))
        port = resolve_port(self._container, kind["port"], self._context.host.ports.lease(network.lease_key(self._pod)))
        self._prober = Prober(probe, address, port, changed=self._changed, failed=self._report_unhealthy)
        self._prober.start()

    def _report_unhealthy(self, wrong: str) -> None:
        text = f"Readiness probe failed: {wrong}"
        part = field_path(self._pod, self._container["name"])
        self._context.events.record(self._pod, kind=WARNING, reason="Unhealthy", message=text, part=part)

    def _launch(self) -> Launched | None:
        """Return a shim whose program has started or failed to start; None if the run was refused or given up."""
        versions: dict[tuple[str, str], str] = {}
        pause = 0.0
        while not self._is_over():
            try:
                launched = self._try_launch()
                if launched is None or self.run.state() is not State.NEW:
                    return launched
                self._report_problem(
                    Problem("RunContainerError", f"the program's shim died before it began: {self._error_output()}")
                )
            except StartRefused as refusal:
                self.refused = Problem(refusal.reason, str(refusal))
                return None
            except MissingReference as missing:
                reason = "ContainerCreating" if missing.reason == "FailedMount" else missing.reason
                self._report_problem(Problem(reason, str(missing)), event=missing.reason)
                self._wait_for(missing, versions)
                continue
            except (OSError, errors.TrainJobError) as error:
                self._report_problem(Problem("CreateContainerError", str(error)))
            self._given_up.wait(pause)
            pause = min(MAX_RETRY_SECONDS, 2 * pause or RETRY_SECONDS)
        return None

    def _try_launch(self, deaths: int = 0) -> Launched | None:
        context, run = self._context, self.run
        look_up = cached_finder(context.host.client, self._pod["metadata"]["namespace"])
        prepared = prepare_container(self._shared_resources(look_up), self._container, run, context.host, look_up)
        self.condition = prepared.condition
        document = {**prepared.document, "due": self.due}
        warm = None
        if deaths < TRIES:
            warm = context.pool.prepare_warm_start(
                prepared.program, document, error_file=run.error_file, cancelled=self._is_over
            )
        start = self._entered = context.pacing.acquire(WARM if warm else COLD, self._is_over)
        if start is None:
            return None
        try:
            launched = launch_shim(run, warm.document, warm.fork) if warm else launch_shim(run, document)
            if launched is None:
                start.release()
                return self._try_launch(
                    deaths + 1
                )  # with the next fork server: all ranks of a job should start the same way
            began = launched.started()
        except BaseException:
            start.release()
            raise
        if began is None:
            start.release()
            run.wait()
            launched.reap()
        else:
            start.launched(began["pid"])
        self.problem = None
        return launched

    def _error_output(self) -> str:
        try:
            return (self.run.folder / "shim.err").read_text(errors="replace").strip()[-1000:] or "it left no message"
        except OSError as error:
            return str(error)

    def _report_problem(self, problem: Problem, *, event: str = "Failed") -> None:
        """Report why the program has not started yet, once for each reason."""
        if problem == self.problem:
            return
        self.problem = problem
        self._changed()
        self._context.events.record(self._pod, kind=WARNING, reason=event, message=problem.message)

    def _wait_for(self, missing: MissingReference, versions: dict[tuple[str, str], str]) -> None:
        """Block until the missing object may exist; `versions` holds the versions already tried."""
        client = self._context.host.client
        namespace, fields = self._pod["metadata"]["namespace"], f"metadata.name={missing.name}"
        key = (missing.resource.kind, missing.name)
        try:
            listed = client.list(missing.resource, namespace=namespace, fields=fields)
            version = listed.items[0]["metadata"]["resourceVersion"] if listed.items else ""
            if version != versions.get(key, ""):
                versions[key] = version
                return
            watch = client.watch(
                missing.resource, namespace=namespace, fields=fields, resource_version=listed.resource_version
            )
            with self._lock:
                self._watch = watch
            if not self._is_over():
                for event in watch:
                    if event.type in ("ADDED", "MODIFIED"):
                        return
        except errors.TrainJobError as error:
            _log.info("waiting for %s %s: %s", missing.resource.kind, missing.name, error)
            self._given_up.wait(RETRY_SECONDS)
        finally:
            with self._lock:
                watch_now, self._watch = self._watch, None
            if watch_now is not None:
                watch_now.close()

    def _is_over(self) -> bool:
        return self._given_up.is_set() or self._context.stopped.is_set()
