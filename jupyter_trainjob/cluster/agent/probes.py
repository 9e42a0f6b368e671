"""Whether a running program is ready: its readinessProbe, asked again and again as kubelet does.

In: the container, its pod's address. Out: `ready`, and a call whenever that changes. A probe connects (``tcpSocket``)
or asks for a page (``httpGet``); other kinds are refused by `profile`.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.constants import TRAINER_PORT

PERIOD, TIMEOUT, SUCCESSES, FAILURES = 10.0, 1.0, 1, 3
GOOD_PAGES = range(200, 400)


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of the last attempts."""

    ready: bool = False
    same: int = 0
    """How many of the last attempts had the same outcome."""
    outcome: bool = False


def counted(tally: Tally, outcome: bool, probe: Object) -> Tally:
    """Return what is known after one more attempt."""
    same = tally.same + 1 if outcome is tally.outcome else 1
    needed = (
        int(probe.get("successThreshold") or SUCCESSES) if outcome else int(probe.get("failureThreshold") or FAILURES)
    )
    return Tally(outcome if same >= needed else tally.ready, same, outcome)


def port_of(container: Object, wanted: int | str, leased: int) -> int | str:
    """Return the port that a probe means: a number, or the name of one of the container's; leased for the usual one.

    A name that none of them has is returned as it is.
    """
    named = {one.get("name"): one["containerPort"] for one in container.get("ports") or ()}
    port = named.get(wanted, wanted)
    return leased if port == TRAINER_PORT else port


def attempt(probe: Object, address: str, port: int | str) -> str:
    """Try once; return what is wrong, empty if nothing is."""
    if isinstance(port, str):
        return f"port {port} not found"
    timeout = float(probe.get("timeoutSeconds") or TIMEOUT)
    page = probe.get("httpGet")
    try:
        if page is None:
            socket.create_connection((probe["tcpSocket"].get("host") or address, port), timeout).close()
            return ""
        return _page(page, page.get("host") or address, port, timeout)
    except (OSError, ValueError, http.client.HTTPException) as error:  # ValueError: what HTTP cannot say
        return str(error) or type(error).__name__


def _page(page: Object, host: str, port: int, timeout: float) -> str:
    if str(page.get("scheme") or "HTTP").upper() == "HTTPS":
        # As kubelet: a program proves by its answer that it is up, not who it is.
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
    """Asks one program whether it is ready, in a thread of its own, until it is stopped."""

    def __init__(
        self,
        probe: Object,
        address: str,
        port: int | str,
        *,
        changed: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:
        """Prepare; `failed` is told what is wrong, once for each reason."""
        self._probe = probe
        self._address = address
        self._port = port
        self._changed = changed
        self._failed = failed
        self._tally = Tally()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._ask, name=f"probe-{address}:{port}", daemon=True)

    @property
    def ready(self) -> bool:
        """Return whether the program is."""
        return self._tally.ready

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; the program has ended."""
        self._stopped.set()
        self._tally = replace(self._tally, ready=False)

    def _ask(self) -> None:
        said = ""
        pause = float(self._probe.get("initialDelaySeconds") or 0)
        while not self._stopped.wait(pause):
            pause = float(self._probe.get("periodSeconds") or PERIOD)
            wrong = attempt(self._probe, self._address, self._port)
            if self._stopped.is_set():
                return
            before, self._tally = self._tally, counted(self._tally, not wrong, self._probe)
            if before.ready is not self._tally.ready:
                self._changed()
            if wrong and wrong != said:
                self._failed(wrong)
            said = wrong
