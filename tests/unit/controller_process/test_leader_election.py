"""A holder of the lease gives up before another candidate may take it, also while its requests hang."""

from __future__ import annotations

import json
from threading import Event
from typing import Any

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.controller_process.leader_election import LEASE_SECONDS, LeaderElection
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request, Response

from .api_answer import Answer


class Time:
    """A clock that moves when somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Pause(Event):
    """An event that is never set, and whose wait moves the clock."""

    def __init__(self, clock: Time) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.now += timeout or 0
        return False


class ApiServer:
    """Has one Lease. From its `healthy` requests on, a request takes twice its time limit and fails."""

    def __init__(self, clock: Time, *, healthy: int, failing_share: float) -> None:
        self._clock = clock
        self._healthy = healthy
        self._share = failing_share
        self._lease: dict[str, Any] = {"metadata": {"resourceVersion": "1"}, "spec": {}}
        self.renewed_at = 0.0

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        assert timeout
        self._healthy -= 1
        if self._healthy < 0:
            self._clock.now += 2 * timeout * self._share  # to connect, and to read
            raise errors.ClusterError("no answer")
        if request.method == "PATCH":
            self._lease["spec"].update(json.loads(request.body or b"")["spec"])
            self.renewed_at = self._clock.now
        return Answer(self._lease)


@pytest.mark.parametrize("failing_share", [0.0, 0.3, 0.9, 1.0])
def test_holder_gives_up_before_its_lease_expires(failing_share: float) -> None:
    clock = Time()
    server = ApiServer(clock, healthy=6, failing_share=failing_share)
    election = LeaderElection(
        lambda timeout: Client(server, timeout=timeout), name="lease", namespace="ns", identity="me", clock=clock
    )
    stop = Pause(clock)
    assert election.acquire(stop)
    assert election.hold(stop) is False
    assert server.renewed_at == 104
    assert 8 <= clock.now - server.renewed_at < LEASE_SECONDS
