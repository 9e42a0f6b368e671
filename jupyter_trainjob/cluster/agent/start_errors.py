"""Errors that delay or prevent the start of a container."""

from __future__ import annotations

from collections.abc import Callable

from jupyter_trainjob.api.resources import KubeObject, Resource

FindObject = Callable[[Resource, str], "KubeObject | None"]
"""Finds an object by kind and name in the pod's namespace."""


class MissingReference(Exception):
    """An object that the pod references does not exist or lacks a key; the pod waits for it."""

    def __init__(self, reason: str, message: str, *, resource: Resource, name: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.resource = resource
        self.name = name


class StartRefused(Exception):
    """The pod requires something that this node cannot provide; it fails."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
