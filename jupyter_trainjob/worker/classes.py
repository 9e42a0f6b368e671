"""Classes of the notebook on their way home: a value that comes back is an instance of the notebook's own class.

In the job, classes that came with the captured values are told from those that the cell made itself; results name the
former and bring both along. In the notebook, `own` takes the class that the notebook has under that name now, as
unpickling does for importable classes, so that it does not matter whether its cell ran again or the kernel restarted;
only where it is gone is one made. A class that was no longer the notebook's own when it was captured, that of an old
instance, stays that very class.
"""

from __future__ import annotations

import contextlib
import enum
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from . import skeletons

NAME = "jupyter_trainjob.worker.classes"
"""Under which a notebook knows this module."""

superseded: set[str] = set()
"""Of the notebook: the marks of classes that another one had replaced when they were captured."""
_arrived: set[str] = set()
"""Of the job: the marks of the classes that came with the captured values."""
_bare: dict[int, type] = {}
"""Classes that were just made and are still to be filled."""
_reading = threading.local()


def note_superseded(cls: type, namespace: dict[str, Any]) -> None:
    """Remember a captured class that the notebook has no more under its name."""
    if cls.__module__ == "__main__" and "<locals>" not in cls.__qualname__:
        if _named(cls.__qualname__, namespace) is cls:
            superseded.discard(_mark(cls))
        else:
            superseded.add(_mark(cls))


def note_arrived() -> None:
    """Remember that all classes so far came from the notebook."""
    if "cloudpickle" in sys.modules:
        from cloudpickle import cloudpickle

        _arrived.update(cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID)  # noqa: SLF001 - its own account of them


def reduced(cls: type, how: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return how a class is pickled, from `how` cloudpickle does: found where it is known, else made."""
    make, args, state = skeletons.reduced(cls, how)[:3]
    mark = _mark(cls)
    named = cls.__module__ == "__main__" and mark in _arrived
    return own, (cls.__qualname__ if named else "", mark, make, args), state, None, None, fill


def own(qualname: str, mark: str, make: Callable[..., type], args: tuple[Any, ...]) -> type:
    """Return the notebook's own class, or a new one that is still empty."""
    from cloudpickle import cloudpickle

    if qualname and mark not in superseded and not getattr(_reading, "as_sent", False):
        found = _named(qualname, vars(sys.modules["__main__"]))
        if isinstance(found, type) and issubclass(found, enum.Enum) == (make is skeletons.of_enum):
            return found
    known: type | None = cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.get(mark)  # noqa: SLF001
    if known is not None:
        return known
    made = make(*args)
    _bare[id(made)] = made
    return made


def fill(cls: type, state: Any) -> type:
    """Fill in a class that was made; any other is somebody's own and stays as it is."""
    return cls if _bare.pop(id(cls), None) is None else skeletons.fill(cls, state)


@contextlib.contextmanager
def as_sent() -> Iterator[None]:
    """Let this thread read values of classes as they were when the job was sent, not as they are now."""
    _reading.as_sent = True
    try:
        yield
    finally:
        _reading.as_sent = False


def _mark(cls: type) -> str:
    from cloudpickle import cloudpickle

    mark: str = cloudpickle._get_or_create_tracker_id(cls)  # noqa: SLF001
    return mark


def _named(qualname: str, namespace: dict[str, Any]) -> Any:
    first, *rest = qualname.split(".")
    found = namespace.get(first)
    for name in rest:
        found = vars(found).get(name) if isinstance(found, type) else None
    return found


own.__module__ = fill.__module__ = NAME
