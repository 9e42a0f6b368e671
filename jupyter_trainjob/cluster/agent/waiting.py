"""Why a pod has no program yet, or never will: what the pieces of the agent raise while they prepare one."""

from __future__ import annotations

from collections.abc import Callable

from jupyter_trainjob.api.resources import Object, Resource

LookUp = Callable[[Resource, str], "Object | None"]
"""Finds an object by kind and name in the pod's namespace."""


class NotYet(Exception):
    """An object that the pod names does not exist, or lacks a key; the pod waits until it changes."""

    def __init__(self, reason: str, message: str, *, resource: Resource, name: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.resource = resource
        self.name = name


class Refused(Exception):
    """The pod asks for something that this node cannot give; it fails."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
