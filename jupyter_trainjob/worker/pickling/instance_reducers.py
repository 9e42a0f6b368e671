"""Pickle instances of notebook classes by their state, without calling constructors.

Pickle calls ``__new__``, and ``__init__`` of some types, with the type's content rather than with the arguments of the
class; it looks up attributes of incomplete instances, which recurses endlessly in some ``__getattr__``; and it copies
the dict of attributes, which a class may share on purpose. In these cases `InstanceReducer` bypasses the class's
methods: the nearest base from a library creates the instance, and its state is set directly. A class that defines its
own pickling is left to it.
"""

from __future__ import annotations

import copyreg
import enum
import pickle
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

NAME: Final = "jupyter_trainjob.worker.pickling.instance_reducers"
_ATTRIBUTE_HOOKS: Final = ("__getattr__", "__getattribute__", "__setattr__")
_ATOMIC_TYPES: Final = (str, bytes, int, float, complex, bool, type(None))
_REDUCE_METHODS: Final = ("__reduce__", "__reduce_ex__")


class _Plain:
    """An instance whose dict is not shared."""


class InstanceReducer:
    """Reduces instances of notebook classes of one pickle."""

    def __init__(self) -> None:
        self._traits: dict[type, _Traits] = {}

    def reduce(self, obj: Any) -> Any:
        """Return the reduction of `obj`; `NotImplemented` if pickle's own is right."""
        cls = type(obj)
        if cls.__module__ != "__main__":
            return NotImplemented
        traits = self._traits.get(cls)
        if traits is None:
            traits = self._traits[cls] = _traits(cls)
        if traits.default_pickling_works and (not traits.has_dict or _dict_references(obj) <= _UNSHARED_REFERENCES):
            return NotImplemented
        return _reduce_instance(obj, traits)


class _Traits(NamedTuple):
    """What a class customizes about its instances."""

    default_pickling_works: bool
    """Whether pickle's own reduction is right, unless an instance's dict is shared."""
    has_dict: bool
    own_pickling: bool
    own_new: bool
    own_init: bool
    own_hash: bool
    own_items: bool
    own_attribute_hooks: bool
    """Whether it intercepts access to attributes."""
    sets_state: bool


def _traits(cls: type) -> _Traits:
    traits = _Traits(
        default_pickling_works=False,
        has_dict=cls.__dictoffset__ != 0,
        own_pickling=_is_own(cls, *_REDUCE_METHODS),
        own_new=_is_own(cls, "__new__") and not _has_own_arguments(cls),
        own_init=_is_own(cls, "__init__"),
        own_hash=_is_own(cls, "__hash__"),
        own_items=_is_own(cls, "append", "extend", "__setitem__"),
        own_attribute_hooks=_is_own(cls, *_ATTRIBUTE_HOOKS),
        sets_state=_defining_class(cls, "__setstate__") is not None,
    )
    # An instance with a base other than object may be created by calling the class.
    odd = traits.own_pickling or traits.own_new or traits.own_hash or traits.own_items or traits.own_attribute_hooks
    plain = all(base.__module__ == "__main__" or base is object for base in cls.__mro__)
    left_alone = issubclass(cls, (type, enum.Enum)) or cls in copyreg.dispatch_table
    return traits._replace(
        default_pickling_works=left_alone or (plain and not odd), has_dict=traits.has_dict and not left_alone
    )


def _reduce_instance(obj: Any, traits: _Traits) -> Any:
    cls = type(obj)
    shared = traits.has_dict and _dict_references(obj) > _UNSHARED_REFERENCES
    attributes = _attributes(obj)
    reduction = obj.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    if isinstance(reduction, str):
        return find_or_make_sentinel, (reduction, cls, attributes)
    if traits.own_pickling:
        return reduction
    make, arguments, state, items, entries = (*reduction, None, None, None)[:5]
    if make is copyreg.__newobj__ and traits.own_new:  # type: ignore[attr-defined]
        rest = (tuple(tuple.__iter__(obj)),) if isinstance(obj, tuple) else arguments[1:]
        make, arguments = make_bare, (cls, *rest)
    elif make is cls and (_is_own(cls, "__new__") or traits.own_init):
        make, arguments = make_initialized, (cls, *arguments)
    if attributes and traits.own_hash and make in (make_bare, copyreg.__newobj__):  # type: ignore[attr-defined]
        # It may be a key in its own attributes, and be hashed before it is complete.
        first = {name: value for name, value in attributes.items() if isinstance(value, _ATOMIC_TYPES)}
        make, arguments = make_with_attributes, (first, cls, *arguments[1:])
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(obj, numpy.ndarray) and attributes and not _is_own(cls, "__setstate__"):
        return make, arguments, (state, attributes), None, None, set_array_state
    if traits.sets_state:
        return make, arguments, state, items, entries
    if traits.own_items and (items or entries):
        return make, arguments, (state, list(items or ()), list(entries or ())), None, None, restore_state
    if state is not None and (shared or traits.own_attribute_hooks):
        return make, arguments, (state, (), ()), items, entries, restore_state
    return make, arguments, state, items, entries


def make_bare(cls: type, *arguments: Any) -> Any:
    """Return an instance created by its nearest base from a library, without ``__init__``."""
    return _library_base(cls, "__new__").__new__(cls, *arguments)


def make_with_attributes(first: dict[str, Any], cls: type, *arguments: Any) -> Any:
    """Return an instance that has some of its attributes already."""
    instance = make_bare(cls, *arguments)
    object.__getattribute__(instance, "__dict__").update(first)
    return instance


def make_initialized(cls: type, *arguments: Any) -> Any:
    """Return an instance created and initialised by its nearest base from a library."""
    instance = make_bare(cls, *arguments)
    initialise = _library_base(cls, "__init__").__init__
    if initialise is not object.__init__:
        initialise(instance, *arguments)
    return instance


def restore_state(obj: Any, whole: tuple[Any, Iterable[Any], Iterable[tuple[Any, Any]]]) -> None:
    """Set the attributes of an instance, using the very dict where it is shared, and its items."""
    state, items, entries = whole
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    if attributes is not None:
        object.__setattr__(obj, "__dict__", attributes)
    for name, value in (slots or {}).items():
        object.__setattr__(obj, name, value)
    if items:
        _library_base(type(obj), "extend").extend(obj, items)
    for key, value in entries:
        _library_base(type(obj), "__setitem__").__setitem__(obj, key, value)


def set_array_state(obj: Any, state: tuple[Any, dict[str, Any]]) -> None:
    """Set NumPy's state of an array, and the attributes that its class added."""
    obj.__setstate__(state[0])
    vars(obj).update(state[1])


def find_or_make_sentinel(name: str, cls: type, attributes: dict[str, Any] | None) -> Any:
    """Return the value with a global name of ``__main__``, or a new one if there is none."""
    value = vars(sys.modules["__main__"]).get(name)
    if type(value) is cls:
        return value
    instance = make_bare(cls)
    if attributes:
        object.__setattr__(instance, "__dict__", attributes)
    return instance


def _attributes(obj: Any) -> dict[str, Any] | None:
    try:
        attributes: dict[str, Any] = object.__getattribute__(obj, "__dict__")
    except AttributeError:
        return None
    return attributes


def _dict_references(obj: Any) -> int:
    return sys.getrefcount(object.__getattribute__(obj, "__dict__"))


_UNSHARED_REFERENCES: Final = _dict_references(_Plain())


def _defining_class(cls: type, name: str) -> type | None:
    return next((base for base in cls.__mro__ if name in base.__dict__), None)


def _is_own(cls: type, *names: str) -> bool:
    """Whether a class of the notebook defines one of `names` for `cls`."""
    return any(
        definer is not None and definer.__module__ == "__main__" for definer in (_defining_class(cls, n) for n in names)
    )


def _has_own_arguments(cls: type) -> bool:
    """Whether the class defines the arguments of its ``__new__``; a named tuple does so only seemingly."""
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return False
    return _is_own(cls, "__getnewargs__", "__getnewargs_ex__")


def _library_base(cls: type, name: str) -> Any:
    """Return the nearest base from a library that defines `name`."""
    return next(base for base in cls.__mro__ if base.__module__ != "__main__" and name in base.__dict__)


_function: Callable[..., Any]
for _function in (
    make_bare,
    make_with_attributes,
    make_initialized,
    restore_state,
    set_array_state,
    find_or_make_sentinel,
):
    _function.__module__ = NAME
