"""Cells with classes of the standard library: dataclasses, enums, named tuples, types."""

from __future__ import annotations

from .case import case

CASES = {
    "dataclass everything": case(
        """
from dataclasses import dataclass, field, InitVar, KW_ONLY
from typing import ClassVar
@dataclass(slots=True)
class Cfg:
    lr: float
    scale: InitVar[int] = 3
    tags: list[str] = field(default_factory=list)
    _: KW_ONLY
    seed: int = 0
    kinds: ClassVar[dict] = {}
    eff: float = field(init=False, repr=False, compare=False)
    def __post_init__(self, scale): self.eff = self.lr * scale
c = Cfg(1.5, seed=4)
""",
        "import dataclasses\nCfg.kinds['a'] = 1\nc, Cfg(2., 5, seed=1).eff, [f.name for f in dataclasses.fields(c)], Cfg.kinds, dataclasses.replace(c, scale=2, lr=3.), c == Cfg(1.5, seed=4)",
    ),
    "frozen dataclass as key": case(
        """
from dataclasses import dataclass
@dataclass(frozen=True)
class K:
    a: int
    b: tuple = ()
table = {K(1): 'x', K(2, (1,)): 'y'}
""",
        "import dataclasses\ntry:\n    K(1).a = 3\nexcept dataclasses.FrozenInstanceError as e:\n    w = str(e)\ntable[K(1)], table[K(2, (1,))], w, K(1), hash(K(1)) == hash(K(1))",
    ),
    "dataclass weakref slot": case(
        """
from dataclasses import dataclass
@dataclass(slots=True, weakref_slot=True)
class K:
    a: int
k = K(1)
""",
        "import weakref\nr = weakref.ref(k)\nr() is k, k",
    ),
    "flag boundary": case(
        """
from enum import Flag, auto, KEEP, Enum, StrEnum, unique, IntFlag
class P(Flag, boundary=KEEP):
    R = auto()
    W = auto()
    RW = R | W
class S(StrEnum):
    A = auto()
    B = 'bee'
@unique
class Planet(Enum):
    EARTH = (5.9, 6.3)
    MARS = (6.4, 3.3)
    def __init__(self, m, r): self.m, self.r = m, r
    @property
    def g(self): return self.m / self.r
    @classmethod
    def biggest(cls): return max(cls, key=lambda p: p.m)
class I(IntFlag):
    A = 1
    B = 2
v = [P.RW, S.B, Planet.MARS, P(9), I.A | I.B]
""",
        "v, P.R in P.RW, S('bee') is S.B, Planet.biggest(), Planet.EARTH.g, v[0] is P.RW, P(9), [*Planet], I.A | 8, f'{S.A}'",
    ),
    "enum missing and alias": case(
        """
from enum import Enum, IntEnum
class C(Enum):
    A = 1
    B = 1
    C = 3
    @classmethod
    def _missing_(cls, v): return cls.A
class E(str, Enum):
    X = 'x'
class M(Enum):
    f = staticmethod(len)
    _ignore_ = ['q']
""",
        "C(99), C.B is C.A, C['B'], list(C.__members__), E.X == 'x', E('x'), {E.X: 1}, M.f('abc') if callable(M.f) else M.f",
    ),
    "enum auto values with generate": case(
        """
from enum import Enum, auto
class L(Enum):
    def _generate_next_value_(name, start, count, last): return name.lower()
    A = auto()
    B = auto()
""",
        "[x.value for x in L], L('a'), L.A",
    ),
    "enum in a class": case(
        """
from enum import Enum
class Model:
    class Mode(Enum):
        TRAIN = 1
        EVAL = 2
    def __init__(self): self.mode = Model.Mode.TRAIN
m = Model()
""",
        "m.mode is Model.Mode.TRAIN, m, Model.Mode.EVAL",
    ),
    "slots dataclass inherits": case(
        "from dataclasses import dataclass, field\n@dataclass(slots=True)\nclass A:\n    x: int\n@dataclass(slots=True)\nclass B(A):\n    y: int = field(default=2)\n    def both(self): return self.x + self.y\nb = B(1)",
        "b.both(), b, B(3, 4).x",
    ),
    "typed namedtuple subclass": case(
        "from collections import namedtuple\nclass P(namedtuple('P', 'x y')):\n    __slots__ = ()\n    def __new__(cls, s):\n        a, b = s.split(',')\n        return super().__new__(cls, int(a), int(b))\n    def norm(self): return self.x + self.y\np = P('1,2')",
        "p.norm(), p, p._replace if False else p.x",
    ),
    "type aliases and unions": case(
        "from __future__ import annotations\nfrom typing import Union\nNum = Union[int, float]\ndef f(x: Num | None = None) -> 'Missing': return x\nis_num = lambda v: isinstance(v, (int, float)) or isinstance(v, int | str)",
        "f(3), is_num('a'), f.__annotations__",
    ),
    "types that are texts": case(
        "from dataclasses import dataclass, field\nfrom typing import Optional, List, get_type_hints\nimport enum\nclass Mode(enum.Enum): A = 1\n@dataclass\nclass Tree:\n    v: int\n    mode: 'Mode' = Mode.A\n    kids: 'List[Tree]' = field(default_factory=list)\n    up: 'Optional[Tree]' = field(default=None, repr=False)",
        "t = Tree(1)\nt.kids.append(Tree(2, up=t))\nhints = get_type_hints(Tree)\nhints['kids'].__args__[0] is Tree, hints['mode'] is Mode, t.kids[0].up is t, t",
    ),
    "annotations from the future": case(
        "from __future__ import annotations\nfrom dataclasses import dataclass, fields\nfrom typing import Optional\nfrom pathlib import Path\n@dataclass\nclass Args:\n    lr: float = .1\n    out: Optional[Path] = None\n    sub: Sub = None\n@dataclass\nclass Sub:\n    k: int = 1",
        "from typing import get_type_hints\nh = get_type_hints(Args)\nh['sub'] is Sub, h['lr'], [f.type for f in fields(Args)], Args(sub=Sub())",
    ),
}
