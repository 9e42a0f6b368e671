"""Instances of the notebook's own classes on their way: as they are, not as their constructors would make them anew.

Pickle calls ``__new__``, of some types ``__init__``, with what the type is made of rather than with what the class
takes; it asks half-made instances for attributes, which a ``__getattr__`` answers without end; and it copies the dict
of attributes, which a class may share on purpose. Where a class of the notebook meets one of these, `Instances` goes
round its methods: the nearest base from a library makes the instance, and its state is laid into it. What a class says
itself about its pickling is left to it.
"""

from __future__ import annotations

import copyreg
import enum
import pickle
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

NAME: Final = "jupyter_trainjob.worker.instances"
_ANSWERS: Final = ("__getattr__", "__getattribute__", "__setattr__")
_ATOMS: Final = (str, bytes, int, float, complex, bool, type(None))
_PICKLED: Final = ("__reduce__", "__reduce_ex__")


class _Alone:
    """Has attributes that nobody else knows."""


class Instances:
    """The instances that one pickle holds."""

    def __init__(self) -> None:
        self._ways: dict[type, _Ways] = {}

    def reduce(self, obj: Any) -> Any:
        """Return how `obj` is pickled; `NotImplemented` where pickle's own way is right."""
        cls = type(obj)
        if cls.__module__ != "__main__":
            return NotImplemented
        ways = self._ways.get(cls)
        if ways is None:
            ways = self._ways[cls] = _ways(cls)
        if ways.usual and (not ways.has_dict or _holders(obj) <= _HOLDERS):
            return NotImplemented
        return _reduced(obj, ways)


class _Ways(NamedTuple):
    """What a class says about its instances."""

    usual: bool
    """Whether pickle is right about them, unless somebody else holds their dict."""
    has_dict: bool
    own_pickling: bool
    own_new: bool
    own_init: bool
    own_hash: bool
    own_items: bool
    own_answers: bool
    """Whether it answers for attributes that are not there."""
    sets_state: bool


def _ways(cls: type) -> _Ways:
    own = _Ways(
        usual=False,
        has_dict=cls.__dictoffset__ != 0,
        own_pickling=_is_own(cls, *_PICKLED),
        own_new=_is_own(cls, "__new__") and not _names_arguments(cls),
        own_init=_is_own(cls, "__init__"),
        own_hash=_is_own(cls, "__hash__"),
        own_items=_is_own(cls, "append", "extend", "__setitem__"),
        own_answers=_is_own(cls, *_ANSWERS),
        sets_state=_definer(cls, "__setstate__") is not None,
    )
    # What has a base other than object may be made by calling the class.
    odd = own.own_pickling or own.own_new or own.own_hash or own.own_items or own.own_answers
    plain = all(each.__module__ == "__main__" or each is object for each in cls.__mro__)
    left_alone = issubclass(cls, (type, enum.Enum)) or cls in copyreg.dispatch_table
    return own._replace(usual=left_alone or (plain and not odd), has_dict=own.has_dict and not left_alone)


def _reduced(obj: Any, ways: _Ways) -> Any:
    cls = type(obj)
    shared = ways.has_dict and _holders(obj) > _HOLDERS
    attributes = _attributes(obj)
    how = obj.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    if isinstance(how, str):
        return sentinel, (how, cls, attributes)
    if ways.own_pickling:
        return how
    make, arguments, state, items, entries = (*how, None, None, None)[:5]
    if make is copyreg.__newobj__ and ways.own_new:  # type: ignore[attr-defined]
        rest = (tuple(tuple.__iter__(obj)),) if isinstance(obj, tuple) else arguments[1:]
        make, arguments = bare, (cls, *rest)
    elif make is cls and (_is_own(cls, "__new__") or ways.own_init):
        make, arguments = made, (cls, *arguments)
    if attributes and ways.own_hash and make in (bare, copyreg.__newobj__):  # type: ignore[attr-defined]
        # It may be a key of what it leads to, and have to be hashed before it is whole.
        first = {name: value for name, value in attributes.items() if isinstance(value, _ATOMS)}
        make, arguments = begun, (first, cls, *arguments[1:])
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(obj, numpy.ndarray) and attributes and not _is_own(cls, "__setstate__"):
        return make, arguments, (state, attributes), None, None, with_attributes
    if ways.sets_state:
        return make, arguments, state, items, entries
    if ways.own_items and (items or entries):
        return make, arguments, (state, list(items or ()), list(entries or ())), None, None, restore
    if state is not None and (shared or ways.own_answers):
        return make, arguments, (state, (), ()), items, entries, restore
    return make, arguments, state, items, entries


def bare(cls: type, *arguments: Any) -> Any:
    """Return an instance as its nearest base from a library makes it, before any ``__init__``."""
    return _library(cls, "__new__").__new__(cls, *arguments)


def begun(first: dict[str, Any], cls: type, *arguments: Any) -> Any:
    """Return an instance that has some of its attributes already."""
    instance = bare(cls, *arguments)
    object.__getattribute__(instance, "__dict__").update(first)
    return instance


def made(cls: type, *arguments: Any) -> Any:
    """Return an instance as its nearest base from a library makes and initialises it."""
    instance = bare(cls, *arguments)
    initialise = _library(cls, "__init__").__init__
    if initialise is not object.__init__:
        initialise(instance, *arguments)
    return instance


def restore(obj: Any, whole: tuple[Any, Iterable[Any], Iterable[tuple[Any, Any]]]) -> None:
    """Give an instance its attributes, the very dict where others hold it too, and what it contains."""
    state, items, entries = whole
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    if attributes is not None:
        object.__setattr__(obj, "__dict__", attributes)
    for name, value in (slots or {}).items():
        object.__setattr__(obj, name, value)
    if items:
        _library(type(obj), "extend").extend(obj, items)
    for key, value in entries:
        _library(type(obj), "__setitem__").__setitem__(obj, key, value)


def with_attributes(obj: Any, state: tuple[Any, dict[str, Any]]) -> None:
    """Give an array what NumPy pickles of it, and what its class added."""
    obj.__setstate__(state[0])
    vars(obj).update(state[1])


def sentinel(name: str, cls: type, attributes: dict[str, Any] | None) -> Any:
    """Return the value that says it is a global name, a new one where there is no such name."""
    found = vars(sys.modules["__main__"]).get(name)
    if type(found) is cls:
        return found
    instance = bare(cls)
    if attributes:
        object.__setattr__(instance, "__dict__", attributes)
    return instance


def _attributes(obj: Any) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = object.__getattribute__(obj, "__dict__")
    except AttributeError:
        return None
    return found


def _holders(obj: Any) -> int:
    return sys.getrefcount(object.__getattribute__(obj, "__dict__"))


_HOLDERS: Final = _holders(_Alone())


def _definer(cls: type, name: str) -> type | None:
    return next((each for each in cls.__mro__ if name in each.__dict__), None)


def _is_own(cls: type, *names: str) -> bool:
    """Whether a class of the notebook defines one of `names` for `cls`."""
    return any(found is not None and found.__module__ == "__main__" for found in (_definer(cls, n) for n in names))


def _names_arguments(cls: type) -> bool:
    """Whether the class says itself what its ``__new__`` takes; a named tuple only seems to."""
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return False
    return _is_own(cls, "__getnewargs__", "__getnewargs_ex__")


def _library(cls: type, name: str) -> Any:
    """Return the nearest base that is none of the notebook's and defines `name`."""
    return next(each for each in cls.__mro__ if each.__module__ != "__main__" and name in each.__dict__)


_each: Callable[..., Any]
for _each in (bare, begun, made, restore, with_attributes, sentinel):
    _each.__module__ = NAME
