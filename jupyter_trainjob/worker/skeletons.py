"""Classes of the notebook on their way: made empty, then filled, as cloudpickle does, but without their own hooks.

A base's ``__init_subclass__`` and a metaclass's ``__new__`` and ``__init__`` ran when the notebook defined the class;
what they left behind travels. Run again on an empty class they would register it twice, or fail. Hooks of libraries do
run: what those keep does not travel. Enums are made with their aliases and with what their ``__new__`` and ``__init__``
gave each member; a class keeps its slots and the order of its attributes.
"""

from __future__ import annotations

import contextlib
import enum
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

NAME: Final = "jupyter_trainjob.worker.skeletons"
NOTHING: Final[Mapping[str, Any]] = types.MappingProxyType({})
_RAW: Final = (int, str, float, bytes, complex, tuple)
"""Types of members that are made of what they are."""
_OF_EVERY_MEMBER: Final = frozenset({"_value_", "_name_", "__objclass__", "_sort_order_"})


def reduced(cls: type, how: tuple[Any, ...], named: Mapping[str, Any] = NOTHING) -> tuple[Any, ...]:
    """Return how a class is pickled, from `how` cloudpickle does. `named` are globals that are to come with it."""
    _, arguments, (attributes, _), *_ = how
    order = {name: place for place, name in enumerate(vars(cls))}
    attributes = {name: attributes[name] for name in sorted(attributes, key=lambda name: order.get(name, -1))}
    if isinstance(cls, enum.EnumMeta) and _raw_type(cls) is not None:
        return _of_enum(cls, arguments, attributes)
    if issubclass(cls, enum.Enum):
        return how
    constructor, name, bases, keywords, *rest = arguments
    # Of tuples slots are always empty, and a NamedTuple makes them itself.
    if "__slots__" in vars(cls) and not issubclass(cls, tuple):
        keywords = {**keywords, "__slots__": vars(cls)["__slots__"]}
    state: tuple[dict[str, Any], ...] = attributes, {}, dict(named)
    return of_class, (constructor, name, bases, keywords, *rest), state, None, None, fill


def of_class(metaclass: Any, *arguments: Any) -> type:
    """Return a class without attributes."""
    from cloudpickle import cloudpickle

    name, bases, keywords, mark, _ = arguments
    resolved = types.resolve_bases(bases)
    with _without_hooks(resolved):
        if not _is_own(metaclass):
            return cloudpickle._make_skeleton_class(metaclass, *arguments)  # type: ignore[no-any-return]  # noqa: SLF001
        attributes = dict(keywords) if resolved is bases else {**keywords, "__orig_bases__": bases}
        library = next(each for each in metaclass.__mro__ if not _is_own(each))
        made = library.__new__(metaclass, name, resolved, attributes)
        library.__init__(made, name, resolved, attributes)
    return cloudpickle._lookup_class_or_track(mark, made)  # type: ignore[no-any-return]  # noqa: SLF001


def of_enum(bases: tuple[Any, ...], *arguments: Any) -> type:
    """Return an enum with its members, whose value and data are as they were."""
    from cloudpickle import cloudpickle

    name, qualname, members, module, mark, extra = arguments
    metaclass: Any = type(bases[-1])
    attributes = metaclass.__prepare__(name, bases)
    attributes.update({"__module__": module, "__new__": _member, "__init__": _ready})
    for member, (value, raw) in members.items():
        attributes[member] = _Member(extra["type"], value, raw)
    keywords = {} if extra["boundary"] is None else {"boundary": extra["boundary"]}
    library = next(each for each in metaclass.__mro__ if not _is_own(each))
    with _without_hooks(bases):
        made: Any = library.__new__(metaclass, name, bases, attributes, **keywords)
    for each in ("__init__", "__new_member__", "_new_member_"):
        if each in vars(made):
            type.__delattr__(made, each)
    made.__qualname__ = qualname
    return cloudpickle._lookup_class_or_track(mark, made)  # type: ignore[no-any-return]  # noqa: SLF001


def fill(cls: type, state: tuple[dict[str, Any], ...]) -> type:
    """Give a class its attributes, the members of an enum theirs, and the job's program the globals that come along."""
    from cloudpickle import cloudpickle

    attributes, members, *named = state  # Of an enum that is left to cloudpickle, this is its own state.
    cloudpickle._class_setstate(cls, (attributes, {}))  # noqa: SLF001 - what it would have called itself
    if hasattr(property, "__set_name__"):  # Errors tell the name of a property, from Python 3.11 on.
        for name, value in attributes.items():
            if type(value) is property:
                value.__set_name__(cls, name)  # type: ignore[attr-defined]
    for each in named:
        vars(sys.modules["__main__"]).update(each)
    for name, own in members.items():
        vars(cls._member_map_[name]).update(own)  # type: ignore[attr-defined]
    return cls


class _Member:
    """Stands for the value of a member while its enum is made; it is no tuple that would be unpacked."""

    def __init__(self, kind: type, value: Any, raw: tuple[Any, ...]) -> None:
        self.kind, self.value, self.raw = kind, value, raw


def _member(cls: type, of: _Member) -> Any:
    made: Any = of.kind.__new__(cls, *of.raw)
    made._value_ = of.value
    return made


def _ready(*_: object) -> None:
    """Initialise nothing."""


def _of_enum(cls: Any, arguments: tuple[Any, ...], attributes: dict[str, Any]) -> tuple[Any, ...]:
    bases, name, qualname, _, module, mark, _ = arguments
    kind = _raw_type(cls)
    members = {
        each: (member._value_, () if kind is object else _raw(kind, member)) for each, member in cls.__members__.items()
    }
    for each in members:
        attributes.pop(each, None)
    if "_generate_next_value_" in vars(cls):
        attributes["_generate_next_value_"] = vars(cls)["_generate_next_value_"]
    own = {
        member._name_: kept
        for member in cls.__members__.values()
        if (kept := {key: value for key, value in vars(member).items() if key not in _OF_EVERY_MEMBER})
    }
    extra = {"type": kind, "boundary": vars(cls).get("_boundary_")}
    return of_enum, (bases, name, qualname, members, module, mark, extra), (attributes, own), None, None, fill


def _raw_type(cls: Any) -> Any:
    """Return the type that members of an enum are made of; None if it is not known how."""
    data = cls._member_type_
    builtin = next(each for each in data.__mro__ if each.__module__ == "builtins")
    return builtin if builtin is object or builtin in _RAW else None


def _raw(kind: Any, member: Any) -> tuple[Any, ...]:
    return (tuple(tuple.__iter__(member)),) if kind is tuple else tuple(kind.__getnewargs__(member))


@contextlib.contextmanager
def _without_hooks(bases: Iterable[Any]) -> Iterator[None]:
    """Let no ``__init_subclass__`` of the notebook run; only one thread reads the notebook's values."""
    owners = {each for base in bases if isinstance(base, type) for each in base.__mro__ if _is_own(each)}
    taken = {each: vars(each)["__init_subclass__"] for each in owners if "__init_subclass__" in vars(each)}
    for each in taken:
        type.__delattr__(each, "__init_subclass__")
    try:
        yield
    finally:
        for each, hook in taken.items():
            type.__setattr__(each, "__init_subclass__", hook)


def _is_own(cls: Any) -> bool:
    return getattr(cls, "__module__", None) == "__main__"


of_class.__module__ = of_enum.__module__ = fill.__module__ = NAME
