"""One run of a container, from an empty folder to an exit status, in a thread of its own.

In: the container and the folder of its run. Out: a shim that was started and has ended; meanwhile `started`, or why not
yet (`problem`) or never (`refused`), each told to the pod's thread by `changed`. A run that an earlier agent began is
only waited for. The thread mostly sleeps in the kernel: first on the pipe of a shim that starts, then on its lock.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.agent import network
from jupyter_trainjob.cluster.agent.changes import Changes
from jupyter_trainjob.cluster.agent.launch import Launched, launch
from jupyter_trainjob.cluster.agent.pacing import COLD, WARM, Pacing, Start
from jupyter_trainjob.cluster.agent.plan import Problem
from jupyter_trainjob.cluster.agent.prepare import Host, Place, looking, prepare
from jupyter_trainjob.cluster.agent.probes import Prober, port_of
from jupyter_trainjob.cluster.agent.run import Run, State
from jupyter_trainjob.cluster.agent.status import Extra
from jupyter_trainjob.cluster.agent.teller import field_path
from jupyter_trainjob.cluster.agent.waiting import LookUp, NotYet, Refused
from jupyter_trainjob.cluster.agent.warm import TRIES, WarmPool
from jupyter_trainjob.controller.events import WARNING, Recorder
from jupyter_trainjob.kube.client import Watch

RETRY_SECONDS = 1.0
LONGEST_RETRY = 30.0

_log = logging.getLogger(__name__)


class PodKeeper(Protocol):
    """Who wants a pod's log before its folder goes."""

    def keep(self, pod: Object, lines: Iterable[bytes]) -> None:
        """Keep the time-stamped `lines` of `pod`."""


@dataclass(frozen=True)
class Agency:
    """What the threads of a pod need of their agent."""

    pods: Path
    host: Host
    events: Recorder
    pool: WarmPool
    pacing: Pacing
    changes: Changes
    keep: PodKeeper | None
    stopped: threading.Event
    forget: Callable[[str], None]
    clock: Callable[[], float]
    """Unix seconds, by which back-off and deadlines are reckoned."""


class ContainerRun:
    """Looks after one run."""

    def __init__(
        self,
        agency: Agency,
        pod: Object,
        container: Object,
        run: Run,
        *,
        due: float,
        place: Callable[[LookUp], Place],
        changed: Callable[[], None],
    ) -> None:
        """Prepare; `due` is the back-off that follows this run, `place` gives what the pod's containers share."""
        self.run = run
        self.due = due
        self.started = False
        self.done = False
        self.problem: Problem | None = None
        self.refused: Problem | None = None
        self.condition: Extra | None = None
        self._prober: Prober | None = None
        self._entered: Start | None = None
        self._agency = agency
        self._pod = pod
        self._container = container
        self._place = place
        self._changed = changed
        self._lock = threading.Lock()
        self._left = threading.Event()
        self._watch: Watch | None = None
        name = f"pod-{pod['metadata']['name']}-{container['name']}"
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    @property
    def ready(self) -> bool:
        """Return whether the running program is ready to be used."""
        return self._prober is None or self._prober.ready

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def leave(self) -> None:
        """Do not start the program any more; one that runs is asked through its folder (`Run.ask_stop`)."""
        self._left.set()
        with self._lock:
            watch = self._watch
        if watch is not None:
            watch.close()
        self._agency.pool.wake()
        self._agency.pacing.wake()

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join()

    def _serve(self) -> None:
        try:
            launched: Launched | None = None
            if self.run.state() is State.NEW:
                launched = self._launch()
                if launched is None:
                    return
            self._probe()
            self.started = True
            self._changed()
            self.run.wait()
            if self._prober is not None:
                self._prober.stop()
            if launched is not None:
                launched.reap()
            if not self._agency.stopped.is_set():  # else the folder is the next agent's
                self.run.declare_lost()
            self._agency.changes.wake(self.run.log)
        except Exception:  # noqa: BLE001 - the pod must end with a status, whatever happened
            _log.exception("pod %s: the agent failed", self._pod["metadata"]["name"])
            self.refused = Problem("AgentError", "the agent failed to run this pod; the daemon's log says why")
        finally:
            if self._entered is not None:
                self._entered.over()
            self.done = True
            self._changed()

    def _probe(self) -> None:
        """Begin to ask the program whether it is ready, where its container wants that."""
        probe = self._container.get("readinessProbe")
        kind = (probe or {}).get("httpGet") or (probe or {}).get("tcpSocket")
        if not probe or not kind:
            return
        address = network.address(self._pod["metadata"]["namespace"], network.qualified(self._pod))
        port = port_of(self._container, kind["port"], self._agency.host.ports.lease(network.lease_key(self._pod)))
        self._prober = Prober(probe, address, port, changed=self._changed, failed=self._say_unhealthy)
        self._prober.start()

    def _say_unhealthy(self, wrong: str) -> None:
        text = f"Readiness probe failed: {wrong}"
        part = field_path(self._pod, self._container["name"])
        self._agency.events.record(self._pod, kind=WARNING, reason="Unhealthy", message=text, part=part)

    def _launch(self) -> Launched | None:
        """Return a shim whose program has started or failed to; None if the run is refused or given up."""
        seen: dict[tuple[str, str], str] = {}
        pause = 0.0
        while not self._is_over():
            try:
                launched = self._try()
                if launched is None or self.run.state() is not State.NEW:
                    return launched
                self._say(Problem("RunContainerError", f"the program's shim died before it began: {self._complaint()}"))
            except Refused as refusal:
                self.refused = Problem(refusal.reason, str(refusal))
                return None
            except NotYet as missing:
                reason = "ContainerCreating" if missing.reason == "FailedMount" else missing.reason
                self._say(Problem(reason, str(missing)), event=missing.reason)
                self._wait_for(missing, seen)
                continue
            except (OSError, errors.TrainJobError) as error:
                self._say(Problem("CreateContainerError", str(error)))
            self._left.wait(pause)
            pause = min(LONGEST_RETRY, 2 * pause or RETRY_SECONDS)
        return None

    def _try(self, deaths: int = 0) -> Launched | None:
        agency, run = self._agency, self.run
        look_up = looking(agency.host.client, self._pod["metadata"]["namespace"])
        prepared = prepare(self._place(look_up), self._container, run, agency.host, look_up)
        self.condition = prepared.condition
        document = {**prepared.document, "due": self.due}
        warm = None
        if deaths < TRIES:
            warm = agency.pool.warm(prepared.program, document, error_file=run.error_file, cancelled=self._is_over)
        start = self._entered = agency.pacing.enter(WARM if warm else COLD, self._is_over)
        if start is None:
            return None
        try:
            launched = launch(run, warm.document, warm.fork) if warm else launch(run, document)
            if launched is None:
                start.over()
                return self._try(deaths + 1)  # with the next fork server: the ranks of a job start alike
            began = launched.started()
        except BaseException:
            start.over()
            raise
        if began is None:
            start.over()
            run.wait()
            launched.reap()
        else:
            start.launched(began["pid"])
        self.problem = None
        return launched

    def _complaint(self) -> str:
        try:
            return (self.run.folder / "shim.err").read_text(errors="replace").strip()[-1000:] or "it left no message"
        except OSError as error:
            return str(error)

    def _say(self, problem: Problem, *, event: str = "Failed") -> None:
        """Tell why there is no program yet, once for each reason."""
        if problem == self.problem:
            return
        self.problem = problem
        self._changed()
        self._agency.events.record(self._pod, kind=WARNING, reason=event, message=problem.message)

    def _wait_for(self, missing: NotYet, seen: dict[tuple[str, str], str]) -> None:
        """Return when the missing object may have come; `seen` holds the versions that were looked at."""
        client = self._agency.host.client
        namespace, fields = self._pod["metadata"]["namespace"], f"metadata.name={missing.name}"
        key = (missing.resource.kind, missing.name)
        try:
            found = client.list(missing.resource, namespace=namespace, fields=fields)
            version = found.items[0]["metadata"]["resourceVersion"] if found.items else ""
            if version != seen.get(key, ""):
                seen[key] = version
                return
            watch = client.watch(
                missing.resource, namespace=namespace, fields=fields, resource_version=found.resource_version
            )
            with self._lock:
                self._watch = watch
            if not self._is_over():
                for event in watch:
                    if event.type in ("ADDED", "MODIFIED"):
                        return
        except errors.TrainJobError as error:
            _log.info("waiting for %s %s: %s", missing.resource.kind, missing.name, error)
            self._left.wait(RETRY_SECONDS)
        finally:
            with self._lock:
                watch_now, self._watch = self._watch, None
            if watch_now is not None:
                watch_now.close()

    def _is_over(self) -> bool:
        return self._left.is_set() or self._agency.stopped.is_set()
