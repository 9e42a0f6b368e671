"""Generates random programs: cells that define things, and a last cell that uses them and has a value.

Each statement only uses defined names, so that a program runs; its computation is small and has no random numbers.
The same seed makes the same program.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Program:
    """Cells before, and the statements of the cell."""

    before: tuple[tuple[str, ...], ...]
    """Statements of each cell."""
    cell: tuple[str, ...]
    value: str

    @property
    def source(self) -> str:
        """Return the cell."""
        return "\n".join([*self.cell, self.value])

    def __str__(self) -> str:
        cells = ["\n".join(statements) for statements in self.before]
        return "\n# ---\n".join([*cells, self.source])


@dataclass
class _Maker:
    chance: random.Random
    ints: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    """Each takes a number and returns one."""
    classes: list[str] = field(default_factory=list)
    """Each is made of a number and has ``go(x)``."""
    objects: list[str] = field(default_factory=list)
    made: int = 0

    def name(self, kind: str) -> str:
        self.made += 1
        return f"{kind}{self.made}"

    def number(self) -> str:
        options: list[Callable[[], str]] = [lambda: str(self.chance.randint(-9, 99))]
        if self.ints:
            options += [lambda: self.chance.choice(self.ints)] * 3
        if self.lists:
            options.append(lambda: f"len({self.chance.choice(self.lists)})")
        return self.chance.choice(options)()

    def call(self, of: str | None = None) -> str:
        if self.objects and self.chance.random() < 0.3:
            return f"{self.chance.choice(self.objects)}.go({of or self.number()})"
        if self.functions:
            return f"{self.chance.choice(self.functions)}({of or self.number()})"
        return of or self.number()

    def statement(self) -> str:
        return self.chance.choice(_STATEMENTS)(self)

    def values(self) -> str:
        shown = [*self.ints, *self.lists, *(f"{name}(3)" for name in self.functions)]
        shown += [f"({name}.v, {name}.go(2), {name})" for name in self.objects]
        self.chance.shuffle(shown)
        return f"({', '.join(shown[:12])},)"


def _int(m: _Maker) -> str:
    text = f"{{}} = {m.number()} {m.chance.choice('+-*')} {m.call()}"
    name = m.chance.choice(m.ints) if m.ints and m.chance.random() < 0.3 else m.name("i")
    if name not in m.ints:
        m.ints.append(name)
    return text.format(name)


def _list(m: _Maker) -> str:
    name = m.name("l")
    text = m.chance.choice(
        [
            f"{name} = [{m.number()}, {m.call()}]",
            f"{name} = [{m.call('x')} for x in range(3) if x != {m.number()}]",
            f"{name} = {m.chance.choice(m.lists)}" if m.lists else f"{name} = []",
            f"{name} = [*{m.chance.choice(m.lists)}, {m.chance.choice(m.lists)}]" if m.lists else f"{name} = [1]",
        ]
    )
    m.lists.append(name)
    return text


def _function(m: _Maker) -> str:
    body = m.call("x")
    extra = m.number()
    name = m.chance.choice(m.functions) if m.functions and m.chance.random() < 0.2 else m.name("f")
    if name in m.functions:  # Anew, but not by itself.
        body = "x"
    log = m.chance.choice(m.lists) if m.lists else None
    text = m.chance.choice(
        [
            f"def {name}(x):\n    return {body} + {extra}",
            f"def {name}(x, k={extra}):\n    return {body} - k",
            f"{name} = lambda x: {body} * 2 - {extra}",
            f"def {name}(x, seen=[]):\n    seen.append(x)\n    return len(seen) + {body}",
            f"def {name}(x):\n    try:\n        return {body} // (x - {extra})\n    except ZeroDivisionError as e:\n        return len(str(e))",
            f"def {name}(x):\n    def inner(y=x):\n        nonlocal x\n        x += {extra}\n        return y + x\n    return inner() + {body}",
            f"def {name}(x):\n    return sum(y for y in range(x % 4)) + {body}",
            f"def {name}(x):\n    match x % 3:\n        case 0: return {body}\n        case 1 | 2 as y: return y + {extra}",
            f"def {name}(x):\n    global g_{name}\n    g_{name} = x\n    return g_{name} + {extra}",
            f"def {name}(x):\n    return 1 if x < 1 else {name}(x // 2 - 1) + {extra}",
        ]
        + ([f"def {name}(x):\n    {log}.append(x)\n    return len({log})"] if log else [])
    )
    if name not in m.functions:
        m.functions.append(name)
    return text


def _closures(m: _Maker) -> str:
    one, two, maker = m.name("f"), m.name("f"), m.name("make")
    start = m.number()
    m.functions += [one, two]
    return (
        f"def {maker}(n):\n    def add(x):\n        nonlocal n\n        n += x\n        return n\n    def get(x):\n"
        f"        return n * x\n    return add, get\n{one}, {two} = {maker}({start})"
    )


def _decorated(m: _Maker) -> str:
    name, deco = m.name("f"), m.name("deco")
    body, extra = m.call("x"), m.number()
    m.functions.append(name)
    return (
        f"import functools\ndef {deco}(f):\n    @functools.wraps(f)\n    def inner(x):\n        return f(x) + {extra}\n"
        f"    return inner\n@{deco}\ndef {name}(x):\n    return {body}"
    )


def _partial(m: _Maker) -> str:
    name = m.name("f")
    extra, inner = m.number(), m.call("x")
    m.functions.append(name)
    return f"import functools\n{name} = functools.partial(lambda k, x: {inner} + k, {extra})"


def _class(m: _Maker) -> str:
    name = m.name("C")
    base = f"({m.chance.choice(m.classes)})" if m.classes and m.chance.random() < 0.4 else ""
    up = "super().go(x) + " if base else ""
    body, extra = m.call("x"), m.number()
    text = m.chance.choice(
        [
            f"class {name}{base}:\n    k = {extra}\n    def __init__(self, v):\n        self.v = v\n    def go(self, x):\n        return {up}{body} + self.k + self.v",
            f"class {name}{base}:\n    made = []\n    def __init__(self, v):\n        self.v = v\n        self.made.append(v)\n    def go(self, x):\n        return {up}len(self.made) + {body}",
            f"class {name}{base}:\n    def __init__(self, v):\n        self.__v = v\n    @property\n    def v(self):\n        return self.__v\n    def go(self, x):\n        self.__v += x\n        return {up}self.__v + {extra}",
        ]
    )
    m.classes.append(name)
    return text


def _odd_class(m: _Maker) -> str:
    """Return a class that plain pickle does not restore unchanged."""
    name = m.name("C")
    base = m.chance.choice(m.classes) if m.classes and m.chance.random() < 0.3 else ""
    bases, up = (f"({base})", "super().go(x) + ") if base else ("", "")
    body, extra = m.call("x"), m.number()
    start = "    def __init__(self, v):\n        self.v = v\n"
    text = m.chance.choice(
        [
            f"class {name}{bases}:\n    k, kinds = {extra}, []\n    def __init_subclass__(cls, **more):\n        super().__init_subclass__(**more)\n        cls.kinds.append((cls.__name__, cls.k))\n{start}    def go(self, x):\n        return {up}len(self.kinds) + {body}",
            f"class {name}{bases}:\n    count = 0\n    def __new__(cls, *a):\n        cls.count += 1\n        return super().__new__(cls)\n{start}    def go(self, x):\n        return {up}self.count + {body} + self.v",
            f"class {name}(dict):\n    def __init__(self, v):\n        self.__dict__ = self\n        self.v = v\n    def go(self, x):\n        self['v'] += x\n        return self.v + {extra}",
            f"class {name}{bases}:\n    def __init__(self, v):\n        self.v, self.near = v, {{self}}\n    def __hash__(self):\n        return hash(self.v)\n    def __eq__(self, other):\n        return self.v == other.v\n    def go(self, x):\n        return {up}(self in self.near) + {body}",
            f"class {name}{bases}:\n    def __init__(self, v):\n        self.inner = [v]\n    v = property(lambda self: self.inner[0])\n    def __getattr__(self, name):\n        return getattr(self.inner, name)\n    def go(self, x):\n        self.append(x)\n        return {up}len(self.inner) + {body}",
            f"import dataclasses\n@dataclasses.dataclass(order=True)\nclass {name}{bases}:\n    v: int = 0\n    tags: list = dataclasses.field(default_factory=list)\n    def go(self, x):\n        self.tags.append({body})\n        return {up}len(self.tags) + {extra}",
            f"class Meta{name}({'type' if not base else f'type({base})'}):\n    every = []\n    def __new__(meta, name, bases, names):\n        cls = super().__new__(meta, name, bases, names)\n        meta.every.append(names['k'] if 'k' in names else name)\n        return cls\nclass {name}({f'{base}, ' if base else ''}metaclass=Meta{name}):\n    k = {extra}\n{start}    def go(self, x):\n        return {up}len(type(type(self)).every) + {body}",
            f"class {name}(Exception):\n    def __init__(self, v):\n        super().__init__(f'is {{v}}')\n        self.v = v\n    def go(self, x):\n        try:\n            raise self\n        except {name} as error:\n            return len(str(error)) + {body}",
        ]
    )
    m.classes.append(name)
    return text


def _enum(m: _Maker) -> str:
    name, one = m.name("E"), m.name("f")
    first, second = m.number(), m.number()
    m.functions.append(one)
    return (
        f"import enum\nclass {name}(enum.Enum):\n    A = {first}\n    B = {second}\n    C = {first}\n    def __init__(self, n):\n"
        f"        self.w = n * 2\n    def __call__(self, x):\n        return self.w + x + len({name}.__members__)\n{one} = {name}.B"
    )


def _object(m: _Maker) -> str:
    if not m.classes:
        return _class(m)
    name = m.name("o")
    text = f"{name} = {m.chance.choice(m.classes)}({m.number()})"
    if m.objects and m.chance.random() < 0.3:
        text = f"{name} = {m.chance.choice(m.objects)}"
    m.objects.append(name)
    return text


def _mutation(m: _Maker) -> str:
    options = [f"for _x in range(2):\n    {m.call('_x')}"]
    if m.lists:
        name = m.chance.choice(m.lists)
        options += [f"{name}.append({m.call()})", f"{name} += [{m.number()}]", f"{name}.reverse()"]
    if m.ints:
        options += [f"{m.chance.choice(m.ints)} += {m.number()}"] * 2
        options.append(f"if {m.number()} > {m.number()}:\n    {m.chance.choice(m.ints)} = {m.call()}")
        name = m.chance.choice(m.ints)
        options.append(f"try:\n    {name} = {m.number()} // ({m.number()})\nexcept ZeroDivisionError:\n    {name} = -1")
    return m.chance.choice(options)


_STATEMENTS: list[Callable[[_Maker], str]] = [
    _int,
    _int,
    _list,
    _function,
    _function,
    _function,
    _closures,
    _decorated,
    _partial,
    _class,
    _odd_class,
    _enum,
    _object,
    _object,
    _mutation,
    _mutation,
]


def program(seed: int) -> Program:
    """Return the program of a seed."""
    maker = _Maker(random.Random(seed))
    before = tuple(
        tuple(maker.statement() for _ in range(maker.chance.randint(2, 6))) for _ in range(maker.chance.randint(1, 4))
    )
    cell = tuple(maker.statement() for _ in range(maker.chance.randint(1, 8)))
    return Program(before, cell, maker.values())
