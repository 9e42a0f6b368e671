"""Do the same on both API servers, and compare what their controllers made of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import EVENTS, KubeObject, Resource
from jupyter_trainjob.kube.client import Client
from tests.waiting import patience

from .comparison import Objects, comparable, describe

SETTLE_SECONDS: Final = patience(60)


@dataclass(frozen=True)
class Pair:
    """The two API servers, and the kinds of objects to compare, besides events."""

    upstream: Client
    ours: Client
    kinds: tuple[Resource, ...]

    def do(self, act: Callable[[Client], object]) -> tuple[str, str]:
        """Send the same request to both; return the message of each one's refusal, empty if it was accepted."""
        return _refusal(self.upstream, act), _refusal(self.ours, act)

    def create(self, resource: Resource, obj: KubeObject, namespace: str | None = None) -> tuple[str, str]:
        """Create an object on both; return their refusals."""
        return self.do(lambda client: client.create(resource, obj, namespace=namespace))

    def create_upstream(self, resource: Resource, obj: KubeObject, namespace: str) -> str:
        """Create an object on the upstream side only; return its refusal."""
        return _refusal(self.upstream, lambda client: client.create(resource, obj, namespace=namespace))

    def patch(
        self, resource: Resource, name: str, patch: KubeObject, subresource: str | None = None, namespace: str = ""
    ) -> tuple[str, str]:
        """Patch an object on both, by default in the namespace of its name; return their refusals."""
        return self.do(
            lambda client: client.patch(resource, name, patch, namespace=namespace or name, subresource=subresource)
        )

    def delete(self, resource: Resource, name: str, namespace: str = "") -> tuple[str, str]:
        """Delete an object on both, by default in the namespace of its name; return their refusals."""
        return self.do(lambda client: client.delete(resource, name, namespace=namespace or name))

    def objects(self, client: Client) -> Objects:
        """Return the objects of the jobs' namespaces on one side, as they are compared."""
        lists = [(resource, client.list(resource).items) for resource in (*self.kinds, EVENTS)]
        return comparable(
            (resource, obj)
            for resource, items in lists
            for obj in items
            if obj["metadata"]["namespace"].startswith("job-")
        )

    def compare(
        self, until: Callable[[Objects], bool], *, meanwhile: Callable[[Client], None] = lambda _: None
    ) -> dict[tuple[str, str], tuple[Any, Any]]:
        """Wait until both sides have the same objects and `until` holds for ours.

        `meanwhile` does the part of other controllers on a side, again and again. Return the differences that are left
        after `SETTLE_SECONDS`: by kind and name, upstream's and ours.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            for client in (self.upstream, self.ours):
                meanwhile(client)
            theirs, ours = self.objects(self.upstream), self.objects(self.ours)
            differences = {
                key: (theirs.get(key), ours.get(key))
                for key in sorted(theirs.keys() | ours.keys())
                if theirs.get(key) != ours.get(key)
            }
            if (not differences and until(ours)) or time.monotonic() > deadline:
                assert until(ours), f"ours did not do its part in time; {describe(differences)}"
                return differences
            time.sleep(0.5)

    def assert_equal(
        self, until: Callable[[Objects], bool], *, meanwhile: Callable[[Client], None] = lambda _: None
    ) -> None:
        """Fail with the differences, unless both sides come to have the same objects, and `until` holds."""
        differences = self.compare(until, meanwhile=meanwhile)
        assert not differences, describe(differences)


def _refusal(client: Client, act: Callable[[Client], object]) -> str:
    try:
        act(client)
    except errors.ApiError as error:
        return error.message
    return ""
