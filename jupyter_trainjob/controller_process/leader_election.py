"""Leader election: of several processes, the one that holds a Lease reconciles.

The rules are those of client-go's ``leaderelection``: a holder renews its Lease every few seconds and gives up if it
cannot; another one takes the Lease when it has not seen it change for its whole duration, by its own clock.

Upstream: https://pkg.go.dev/k8s.io/client-go/tools/leaderelection
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timezone
from threading import Event
from typing import Final

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import LEASES, KubeObject
from jupyter_trainjob.kube.client import Client

_log = logging.getLogger(__name__)

LEASE_SECONDS: Final = 15
RENEW_DEADLINE_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 2.0
_REQUEST_SECONDS: Final = 5.0


class LeaderElection:
    """One candidate for a Lease. Not thread-safe: acquire, hold and release from one thread.

    `new_client` returns a client with a time limit for each request, in seconds.
    """

    def __init__(
        self,
        new_client: Callable[[float], Client],
        *,
        name: str,
        namespace: str,
        identity: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._new_client = new_client
        self._client = new_client(_REQUEST_SECONDS)
        self._name = name
        self._namespace = namespace
        self._identity = identity
        self._clock = clock
        self._seen: KubeObject = {}
        self._seen_at = 0.0
        self._renewed_at = 0.0
        """When the last successful renewal began."""

    def acquire(self, stop: Event) -> bool:
        """Wait until this candidate holds the Lease; return False if `stop` is set before."""
        while not stop.is_set():
            if self._try_renew():
                _log.info("%s holds lease %s/%s", self._identity, self._namespace, self._name)
                return True
            stop.wait(RETRY_SECONDS)
        return False

    def hold(self, stop: Event) -> bool:
        """Renew the Lease until `stop` is set; return False if it was lost before."""
        left = RENEW_DEADLINE_SECONDS
        while not stop.wait(min(RETRY_SECONDS, left)):
            # A request that hangs must not outlast the lease: two requests, of which each has to connect and to read.
            self._client = self._new_client(max(self._seconds_left(), 1.0) / 4)
            self._try_renew()
            left = self._seconds_left()
            if self._is_held_by_other() or left <= 0:
                _log.error("%s lost lease %s/%s", self._identity, self._namespace, self._name)
                return False
        return True

    def release(self) -> None:
        """Give the Lease back, so that another candidate takes it at once. Failure is logged: the Lease expires."""
        if self._seen.get("spec", {}).get("holderIdentity") != self._identity:
            return
        try:
            self._write(self._seen, {"holderIdentity": "", "leaseDurationSeconds": 1})
        except errors.TrainJobError as error:
            _log.warning("lease %s/%s could not be released: %s", self._namespace, self._name, error)

    def _try_renew(self) -> bool:
        """Create, renew or take over the Lease; return whether this candidate holds it now."""
        started = self._clock()
        try:
            lease = self._client.find(LEASES, self._name, namespace=self._namespace)
            if lease is None:
                metadata = {"name": self._name, "namespace": self._namespace}
                lease = self._client.create(LEASES, {"metadata": metadata, "spec": self._held_spec({})})
                self._remember(lease)
                self._renewed_at = started
                return True
            self._remember(lease)
            spec = lease.get("spec") or {}
            if self._is_held_by_other() and self._clock() - self._seen_at < spec.get("leaseDurationSeconds", 0):
                return False
            self._write(lease, self._held_spec(spec))
        except errors.TrainJobError as error:
            _log.warning("lease %s/%s: %s", self._namespace, self._name, error)
            return False
        self._renewed_at = started
        return True

    def _seconds_left(self) -> float:
        return RENEW_DEADLINE_SECONDS - (self._clock() - self._renewed_at)

    def _is_held_by_other(self) -> bool:
        holder = (self._seen.get("spec") or {}).get("holderIdentity")
        return bool(holder) and holder != self._identity

    def _remember(self, lease: KubeObject) -> None:
        if lease.get("spec") != self._seen.get("spec"):
            self._seen_at = self._clock()
        self._seen = lease

    def _held_spec(self, spec: KubeObject) -> KubeObject:
        """Return the spec of the Lease that this candidate holds from now on, or renews."""
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        held = {"holderIdentity": self._identity, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now}
        if spec.get("holderIdentity") == self._identity:
            return held
        transitions = spec.get("leaseTransitions", -1) + 1
        return {**held, "acquireTime": now, "leaseTransitions": transitions}

    def _write(self, lease: KubeObject, spec: KubeObject) -> None:
        metadata = {"resourceVersion": lease["metadata"]["resourceVersion"]}
        patch = {"metadata": metadata, "spec": spec}
        self._remember(self._client.patch(LEASES, self._name, patch, namespace=self._namespace))
