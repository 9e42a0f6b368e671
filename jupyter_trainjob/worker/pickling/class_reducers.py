"""Pickle notebook classes as an empty class that is filled afterwards, without running their hooks.

A base's ``__init_subclass__`` and a metaclass's ``__new__`` and ``__init__`` ran when the notebook defined the class,
and their effects are pickled. Run again on an empty class they would register it twice, or fail. Hooks of libraries do
run, since a library's own state is not pickled. Enums are created with their aliases and with the data that their
``__new__`` and ``__init__`` gave each member; a class keeps its slots and the order of its attributes.
"""

from __future__ import annotations

import contextlib
import enum
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

NAME: Final = "jupyter_trainjob.worker.pickling.class_reducers"
NO_GLOBALS: Final[Mapping[str, Any]] = types.MappingProxyType({})
_RAW: Final = (int, str, float, bytes, complex, tuple)
"""Types whose instances can be created from their own value."""
_MEMBER_ATTRIBUTES: Final = frozenset({"_value_", "_name_", "__objclass__", "_sort_order_"})


def reduce_class(cls: type, reduction: tuple[Any, ...], variables: Mapping[str, Any] = NO_GLOBALS) -> tuple[Any, ...]:
    """Return how a class is pickled, based on cloudpickle's `reduction`, with the globals `variables`."""
    _, arguments, (attributes, _), *_ = reduction
    order = {name: index for index, name in enumerate(vars(cls))}
    attributes = {name: attributes[name] for name in sorted(attributes, key=lambda name: order.get(name, -1))}
    if isinstance(cls, enum.EnumMeta) and _raw_type(cls) is not None:
        return _reduce_enum(cls, arguments, attributes)
    if issubclass(cls, enum.Enum):
        return reduction
    constructor, name, bases, keywords, *rest = arguments
    # The slots of a tuple are always empty, and a NamedTuple sets them itself.
    if "__slots__" in vars(cls) and not issubclass(cls, tuple):
        keywords = {**keywords, "__slots__": vars(cls)["__slots__"]}
    state: tuple[dict[str, Any], ...] = attributes, {}, dict(variables)
    return make_class, (constructor, name, bases, keywords, *rest), state, None, None, fill_class


def make_class(metaclass: Any, *arguments: Any) -> type:
    """Return an empty class, which `fill_class` gives its attributes."""
    from cloudpickle import cloudpickle

    name, bases, keywords, mark, _ = arguments
    resolved = types.resolve_bases(bases)
    with _without_hooks(resolved):
        if not _is_own(metaclass):
            return cloudpickle._make_skeleton_class(metaclass, *arguments)  # type: ignore[no-any-return]  # noqa: SLF001
        attributes = dict(keywords) if resolved is bases else {**keywords, "__orig_bases__": bases}
        library = next(base for base in metaclass.__mro__ if not _is_own(base))
        cls = library.__new__(metaclass, name, resolved, attributes)
        library.__init__(cls, name, resolved, attributes)
    return cloudpickle._lookup_class_or_track(mark, cls)  # type: ignore[no-any-return]  # noqa: SLF001


def make_enum(bases: tuple[Any, ...], *arguments: Any) -> type:
    """Return an enum with its members; their values and data are those of the pickled enum."""
    from cloudpickle import cloudpickle

    name, qualname, members, module, mark, extra = arguments
    metaclass: Any = type(bases[-1])
    attributes = metaclass.__prepare__(name, bases)
    attributes.update({"__module__": module, "__new__": _new_member, "__init__": _init_nothing})
    for member, (value, raw) in members.items():
        attributes[member] = _MemberValue(extra["type"], value, raw)
    keywords = {} if extra["boundary"] is None else {"boundary": extra["boundary"]}
    library = next(base for base in metaclass.__mro__ if not _is_own(base))
    with _without_hooks(bases):
        cls: Any = library.__new__(metaclass, name, bases, attributes, **keywords)
    for base in ("__init__", "__new_member__", "_new_member_"):
        if base in vars(cls):
            type.__delattr__(cls, base)
    cls.__qualname__ = qualname
    return cloudpickle._lookup_class_or_track(mark, cls)  # type: ignore[no-any-return]  # noqa: SLF001


def fill_class(cls: type, state: tuple[dict[str, Any], ...]) -> type:
    """Set the attributes of a class, the data of an enum's members, and the pickled globals."""
    from cloudpickle import cloudpickle

    attributes, members, *named = state  # The state of an enum that cloudpickle reduces itself.
    cloudpickle._class_setstate(cls, (attributes, {}))  # noqa: SLF001 - cloudpickle's own setter
    if hasattr(property, "__set_name__"):  # From Python 3.13 on errors contain a property's name.
        for name, value in attributes.items():
            if type(value) is property:
                value.__set_name__(cls, name)  # type: ignore[attr-defined]
    for variables in named:
        vars(sys.modules["__main__"]).update(variables)
    for name, own in members.items():
        vars(cls._member_map_[name]).update(own)  # type: ignore[attr-defined]
    return cls


class _MemberValue:
    """Wraps the value of a member while its enum is created; a bare tuple would be unpacked."""

    def __init__(self, kind: type, value: Any, raw: tuple[Any, ...]) -> None:
        self.kind, self.value, self.raw = kind, value, raw


def _new_member(cls: type, value: _MemberValue) -> Any:
    member: Any = value.kind.__new__(cls, *value.raw)
    member._value_ = value.value
    return member


def _init_nothing(*_: object) -> None:
    """Initialise nothing."""


def _reduce_enum(cls: Any, arguments: tuple[Any, ...], attributes: dict[str, Any]) -> tuple[Any, ...]:
    bases, name, qualname, _, module, mark, _ = arguments
    kind = _raw_type(cls)
    members = {
        member_name: (member._value_, () if kind is object else _raw(kind, member))
        for member_name, member in cls.__members__.items()
    }
    for member_name in members:
        attributes.pop(member_name, None)
    if "_generate_next_value_" in vars(cls):
        attributes["_generate_next_value_"] = vars(cls)["_generate_next_value_"]
    own = {
        member._name_: data
        for member in cls.__members__.values()
        if (data := {key: value for key, value in vars(member).items() if key not in _MEMBER_ATTRIBUTES})
    }
    extra = {"type": kind, "boundary": vars(cls).get("_boundary_")}
    return make_enum, (bases, name, qualname, members, module, mark, extra), (attributes, own), None, None, fill_class


def _raw_type(cls: Any) -> Any:
    """Return the builtin type that an enum's members are created from; None if it is not one of `_RAW`."""
    data = cls._member_type_
    builtin = next(base for base in data.__mro__ if base.__module__ == "builtins")
    return builtin if builtin is object or builtin in _RAW else None


def _raw(kind: Any, member: Any) -> tuple[Any, ...]:
    return (tuple(tuple.__iter__(member)),) if kind is tuple else tuple(kind.__getnewargs__(member))


@contextlib.contextmanager
def _without_hooks(bases: Iterable[Any]) -> Iterator[None]:
    """Remove the notebook's ``__init_subclass__`` hooks for a while; only one thread unpickles."""
    owners = {cls for base in bases if isinstance(base, type) for cls in base.__mro__ if _is_own(cls)}
    hooks = {cls: vars(cls)["__init_subclass__"] for cls in owners if "__init_subclass__" in vars(cls)}
    for cls in hooks:
        type.__delattr__(cls, "__init_subclass__")
    try:
        yield
    finally:
        for cls, hook in hooks.items():
            type.__setattr__(cls, "__init_subclass__", hook)


def _is_own(cls: Any) -> bool:
    return getattr(cls, "__module__", None) == "__main__"


make_class.__module__ = make_enum.__module__ = fill_class.__module__ = NAME
