"""Unpickle returned instances of notebook classes as instances of the notebook's own classes.

In the job, classes of captured values are distinguished from those that the cell defined; results contain the names of
the former, and the definitions of both. In the notebook, `find_or_make_class` returns the class that currently has the
name, as unpickling does for importable classes, whether its cell ran again or the kernel was restarted; it is created
only if it does not exist. A class that another one had replaced when it was captured, that of an old instance, stays
that very class.
"""

from __future__ import annotations

import contextlib
import enum
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from . import class_reducers

NAME = "jupyter_trainjob.worker.pickling.returned_classes"
"""Name of this module in the notebook."""

superseded: set[str] = set()
"""In the notebook: tracker ids of classes that another one had replaced when they were captured."""
_arrived: set[str] = set()
"""In the job: tracker ids of the classes of captured values."""
_unfilled: dict[int, type] = {}
"""Classes that were just created and are still empty."""
_reading = threading.local()


def record_superseded(cls: type, namespace: dict[str, Any]) -> None:
    """Record a captured class that no longer has its name in the notebook, or that has it again."""
    if cls.__module__ == "__main__" and "<locals>" not in cls.__qualname__:
        if _look_up_qualname(cls.__qualname__, namespace) is cls:
            superseded.discard(_tracker_id(cls))
        else:
            superseded.add(_tracker_id(cls))


def record_arrived() -> None:
    """Record that all classes so far came from the notebook."""
    if "cloudpickle" in sys.modules:
        from cloudpickle import cloudpickle

        _arrived.update(cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID)  # noqa: SLF001 - its own account of them


def reduce_class(cls: type, reduction: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the reduction of a class, based on cloudpickle's: it is looked up by name or created."""
    make, args, state = class_reducers.reduce_class(cls, reduction)[:3]
    tracker_id = _tracker_id(cls)
    named = cls.__module__ == "__main__" and tracker_id in _arrived
    return (
        find_or_make_class,
        (cls.__qualname__ if named else "", tracker_id, make, args),
        state,
        None,
        None,
        fill_new_class,
    )


def find_or_make_class(qualname: str, tracker_id: str, make: Callable[..., type], args: tuple[Any, ...]) -> type:
    """Return the notebook's class of that name, or a new, empty one."""
    from cloudpickle import cloudpickle

    if qualname and tracker_id not in superseded and not getattr(_reading, "as_sent", False):
        current = _look_up_qualname(qualname, vars(sys.modules["__main__"]))
        if isinstance(current, type) and issubclass(current, enum.Enum) == (make is class_reducers.make_enum):
            return current
    tracked: type | None = cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.get(tracker_id)  # noqa: SLF001
    if tracked is not None:
        return tracked
    cls = make(*args)
    _unfilled[id(cls)] = cls
    return cls


def fill_new_class(cls: type, state: Any) -> type:
    """Set the attributes of a new class; leave an existing one as it is."""
    return cls if _unfilled.pop(id(cls), None) is None else class_reducers.fill_class(cls, state)


@contextlib.contextmanager
def as_sent() -> Iterator[None]:
    """Make this thread unpickle classes as they were when the job was sent, not as they are now."""
    _reading.as_sent = True
    try:
        yield
    finally:
        _reading.as_sent = False


def _tracker_id(cls: type) -> str:
    from cloudpickle import cloudpickle

    tracker_id: str = cloudpickle._get_or_create_tracker_id(cls)  # noqa: SLF001
    return tracker_id


def _look_up_qualname(qualname: str, namespace: dict[str, Any]) -> Any:
    first, *rest = qualname.split(".")
    value = namespace.get(first)
    for name in rest:
        value = vars(value).get(name) if isinstance(value, type) else None
    return value


find_or_make_class.__module__ = fill_new_class.__module__ = NAME
