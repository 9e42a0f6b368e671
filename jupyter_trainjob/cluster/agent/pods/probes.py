"""Run a container's readinessProbe as kubelet does.

In: the container and its pod's address. Out: `ready`, and a callback when it changes. Supported are ``tcpSocket`` and
``httpGet``; `pod_support` refuses other kinds.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.constants import TRAINER_PORT

PERIOD, TIMEOUT, SUCCESSES, FAILURES = 10.0, 1.0, 1, 3
GOOD_PAGES = range(200, 400)


@dataclass(frozen=True, slots=True)
class ProbeState:
    """The state of a probe after the last attempts."""

    ready: bool = False
    same: int = 0
    """Number of consecutive attempts with the same outcome."""
    outcome: bool = False


def next_state(state: ProbeState, outcome: bool, probe: KubeObject) -> ProbeState:
    """Return the state after one more attempt."""
    same = state.same + 1 if outcome is state.outcome else 1
    needed = (
        int(probe.get("successThreshold") or SUCCESSES) if outcome else int(probe.get("failureThreshold") or FAILURES)
    )
    return ProbeState(outcome if same >= needed else state.ready, same, outcome)


def resolve_port(container: KubeObject, wanted: int | str, leased: int) -> int | str:
    """Return the port of a probe: `wanted`, resolved if it is a port name; the `leased` port instead of 29500.

    An unknown name is returned unchanged.
    """
    named = {one.get("name"): one["containerPort"] for one in container.get("ports") or ()}
    port = named.get(wanted, wanted)
    return leased if port == TRAINER_PORT else port


def run_probe(probe: KubeObject, address: str, port: int | str) -> str:
    """Run the probe once; return the error, empty on success."""
    if isinstance(port, str):
        return f"port {port} not found"
    timeout = float(probe.get("timeoutSeconds") or TIMEOUT)
    page = probe.get("httpGet")
    try:
        if page is None:
            socket.create_connection((probe["tcpSocket"].get("host") or address, port), timeout).close()
            return ""
        return _http_get(page, page.get("host") or address, port, timeout)
    except (OSError, ValueError, http.client.HTTPException) as error:  # ValueError: invalid HTTP
        return str(error) or type(error).__name__


def _http_get(page: KubeObject, host: str, port: int, timeout: float) -> str:
    if str(page.get("scheme") or "HTTP").upper() == "HTTPS":
        # kubelet does not verify certificates either.
        context = ssl._create_unverified_context()  # noqa: S323, SLF001
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=timeout, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
    headers = {one["name"]: one["value"] for one in page.get("httpHeaders") or ()}
    try:
        connection.request("GET", "/" + str(page.get("path") or "").lstrip("/"), headers=headers)
        status = connection.getresponse().status
    finally:
        connection.close()
    return "" if status in GOOD_PAGES else f"HTTP probe failed with statuscode: {status}"


class Prober:
    """Runs a readiness probe periodically in its own thread, until it is stopped."""

    def __init__(
        self,
        probe: KubeObject,
        address: str,
        port: int | str,
        *,
        changed: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:
        """Prepare; `changed` is called when `ready` changes, `failed` with each new error."""
        self._probe = probe
        self._address = address
        self._port = port
        self._changed = changed
        self._failed = failed
        self._state = ProbeState()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"probe-{address}:{port}", daemon=True)

    @property
    def ready(self) -> bool:
        """Return whether the container is ready."""
        return self._state.ready

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, since the program has ended."""
        self._stopped.set()
        self._state = replace(self._state, ready=False)

    def _run(self) -> None:
        last_error = ""
        pause = float(self._probe.get("initialDelaySeconds") or 0)
        while not self._stopped.wait(pause):
            pause = float(self._probe.get("periodSeconds") or PERIOD)
            error = run_probe(self._probe, self._address, self._port)
            if self._stopped.is_set():
                return
            previous, self._state = self._state, next_state(self._state, not error, self._probe)
            if previous.ready is not self._state.ready:
                self._changed()
            if error and error != last_error:
                self._failed(error)
            last_error = error
