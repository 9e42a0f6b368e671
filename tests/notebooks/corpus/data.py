"""Cells with values of Python, NumPy, pandas, torch and scikit-learn that share memory or objects."""

from __future__ import annotations

from .case import case, with_torch

PLAIN = {
    "numbers": case("xs = [0, -1, 2**200, 1.5, float('inf'), float('nan'), 1e-320, 3 + 4j, True, None]", "xs"),
    "texts and bytes": case(
        r"""t = ['', 'a\nb', 'é', '日本', '🚀\u200d', '\x00', "'\"", r'\d', b'\xff\x00', bytearray(b'ab')]""", "t"
    ),
    "a lone surrogate": case(r"s = '\ud83d'", "s, len(s)"),
    "containers": case("v = {'a': (1, [2, {3}]), 4: frozenset({5}), (6,): range(7), None: slice(1, 2)}", "v"),
    "collections": case(
        "from collections import *\nv = [Counter('aab'), deque([1, 2], 3), OrderedDict(b=1, a=2), defaultdict(list, a=[1]), ChainMap({'a': 1})]",
        "v",
    ),
    "a defaultdict of a lambda": case(
        "from collections import defaultdict\nd = defaultdict(lambda: k)\nk = 5", "d['x'] + d['y'], sorted(d)"
    ),
    "dates": case(
        "import datetime as dt\nv = [dt.datetime(2024, 2, 29, 1, tzinfo=dt.timezone.utc), dt.date(1, 1, 1), dt.timedelta(3.5)]",
        "v",
    ),
    "numbers of the library": case(
        "from decimal import Decimal\nfrom fractions import Fraction\nimport uuid, pathlib\nv = [Decimal('0.1'), Fraction(1, 3), uuid.UUID(int=7), pathlib.PurePosixPath('/a/b')]",
        "v",
    ),
    "a compiled pattern": case("import re\np = re.compile(r'(?P<n>\\d+)', re.I)", "p.match('42')['n'], p"),
    "singletons": case(
        "v = [..., NotImplemented, int, len, type(None)]",
        "[x is y for x, y in zip(v, [..., NotImplemented, int, len, type(None)])]",
    ),
    "an array": case("import array\na = array.array('d', [1, 2.5])", "a"),
    "a shared list": case("a = [1]\nb = {'x': a, 'y': a}", "a.append(2)\nb['x'] is b['y'], b['x'] is a, b"),
    "a cycle": case("a = [1]\na.append(a)\nd = {'a': a}\nd['d'] = d", "a[1] is a, d['d']['d'] is d, a, d"),
    "an object under two names": case("a = b = {}\ndef f(): return a is b", "a['k'] = 1\nb, f()"),
    "what a function and the cell share": case(
        "log = []\ndef note(x): log.append(x)", "note(1)\nlog.append(2)\nnote(3)\nlog"
    ),
    "what a closure and the cell share": case(
        "def make():\n    xs = []\n    return xs, lambda v: xs.append(v)\nxs, put = make()", "put(1)\nxs"
    ),
    "what an instance and a list share": case(
        "class A: pass\na = A()\na.xs = ys = []\nboth = [a, ys]", "ys.append(1)\na.xs, both[0].xs is both[1]"
    ),
    "a result that shares": case("a = [1]", "b = [a, a, {'a': a}]\nb"),
    "a result with a cycle": case("", "r = []\nr.append(r)\nr"),
    "random state": case("import random\nr = random.Random(3)\nr.random()", "[r.random() for _ in range(3)]"),
    "a context variable": case(
        "from contextvars import ContextVar\n", "v = ContextVar('v', default=3)\nv.set(4)\nv.get()"
    ),
    "an exception as a value": case("", "try:\n    {}['a']\nexcept KeyError as e:\n    kept = e\nkept"),
    "a module": case(
        "import math, os.path as p, xml.etree.ElementTree as ET",
        "math.pi, p.join('a', 'b'), ET.fromstring('<a>1</a>').text",
    ),
    "a module's function": case("from math import sqrt\nfrom os.path import basename as b", "sqrt(9), b('/a/c')"),
    "json and csv": case(
        "import csv, io, json", "json.loads(json.dumps({'a': [1, None]})), [*csv.reader(io.StringIO('a,b'))]"
    ),
    "a large text": case("s = 'ab' * 600_000", "len(s), s[-3:], hash(s) == hash('ab' * 600_000)"),
    "many names": case("\n".join(f"v{i} = {i}" for i in range(300)), " + ".join(f"v{i}" for i in range(300))),
}

LIBRARIES = {
    "an array of NumPy": case(
        "import numpy as np\na = np.arange(6.).reshape(2, 3)\na[0, 0] = np.nan", "a.T @ a, a.dtype, a"
    ),
    "a view": case("import numpy as np\na = np.zeros(4)\nb = a[1:3]\npair = (a, b)", "pair[0].sum(), pair[1].shape"),
    "arrays of odd types": case(
        "import numpy as np\nv = [np.array(['a', None], object), np.array([(1, 2.)], [('x', 'i4'), ('y', 'f8')]), np.datetime64('2024-01-01'), np.array([], 'U3'), np.float32(1.5), np.asfortranarray(np.eye(2))]",
        "v",
    ),
    "a masked array": case("import numpy as np\nm = np.ma.array([1, 2, 3], mask=[0, 1, 0])", "m.sum(), m"),
    "a generator of NumPy": case(
        "import numpy as np\ng = np.random.default_rng(5)\ng.random()", "g.random(3), g.integers(10)"
    ),
    "a vectorised function": case(
        "import numpy as np\n@np.vectorize\ndef f(x): return x * k\nk = 3", "f(np.arange(3))"
    ),
    "a ufunc": case("import numpy as np\nf = np.add", "f.reduce([1, 2, 3])"),
    "a large array": case("import numpy as np\na = np.arange(2_000_000)", "a.sum(), a[-1]"),
    "an estimator": case(
        "from sklearn.datasets import load_iris\nfrom sklearn.linear_model import LogisticRegression\nX, y = load_iris(return_X_y=True)\nmodel = LogisticRegression(max_iter=500).fit(X, y)",
        "model.score(X, y), model.predict(X[:3])",
    ),
    "an estimator of the notebook": case(
        "from sklearn.base import BaseEstimator\nimport numpy as np\nclass Mean(BaseEstimator):\n    def fit(self, X, y):\n        self.m_ = np.mean(y)\n        return self\n    def predict(self, X): return np.full(len(X), self.m_)\nm = Mean()",
        "m.fit([[1]], [2.]).predict([[0], [0]])",
    ),
}

TENSORS = with_torch(
    {
        "an array and a tensor in one memory": case(
            "import numpy as np, torch\na = np.zeros(4)\nt = torch.from_numpy(a)\nu = torch.ones(3)\nb = u.numpy()",
            "t += 1\na[0] = 5\nb[1] = 7\na.tolist(), t.tolist(), b.tolist(), u.tolist()",
        ),
        "a tensor": case("import torch\nt = torch.arange(6.).reshape(2, 3)", "t @ t.T, t.dtype, t"),
        "tensors of odd types": case(
            "import torch\nv = [torch.tensor(3), torch.zeros(0, 2), torch.ones(2, dtype=torch.bfloat16), torch.tensor([True]), torch.tensor([1 + 2j]), torch.eye(3).to_sparse()]",
            "v[:5], v[5].to_dense()",
        ),
        "tensors that share storage": case("import torch\na = torch.zeros(4)\nb = a[1:3]", "b += 1\na, b"),
        "a result that shares storage": case("import torch", "a = torch.zeros(4)\npair = [a, a.view(2, 2)]\npair"),
        "a tensor with a gradient": case(
            "import torch\nw = torch.ones(2, requires_grad=True)", "(w * 3).sum().backward()\nw.grad, w.requires_grad"
        ),
        "a module of torch": case(
            "import torch\nfrom torch import nn\ntorch.manual_seed(0)\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.l = nn.Linear(2, 3)\n        self.register_buffer('mean', torch.ones(3))\n    def forward(self, x): return self.l(x) - self.mean\nnet = Net()",
            "net(torch.ones(1, 2)).detach(), net.state_dict()",
        ),
        "a module as a result": case(
            "import torch\nfrom torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.w = nn.Parameter(torch.tensor([2.]))\n    def forward(self, x): return x * self.w",
            "net = Net()\nnet",
        ),
        "hooks": case(
            "import torch\nfrom torch import nn\nseen = []\ndef hook(m, i, o): seen.append(o.shape)\nnet = nn.Linear(2, 3)\nnet.register_forward_hook(hook)",
            "_out = net(torch.ones(4, 2))\n[tuple(s) for s in seen]",
        ),
        "shared weights": case(
            "import torch\nfrom torch import nn\na = nn.Linear(2, 2)\nb = nn.Linear(2, 2)\nb.weight = a.weight\nnet = nn.ModuleList([a, b])",
            "net[0].weight is net[1].weight",
        ),
        "an optimizer": case(
            "import torch\nfrom torch import nn\ntorch.manual_seed(1)\nnet = nn.Linear(2, 1)\nopt = torch.optim.Adam(net.parameters(), lr=.1)",
            "for _ in range(3):\n    opt.zero_grad()\n    net(torch.ones(1, 2)).sum().backward()\n    opt.step()\nopt.param_groups[0]['params'][0] is net.weight, net.weight.detach()",
        ),
        "a dataset and its loader": case(
            "import torch\nfrom torch.utils.data import DataLoader, Dataset\nclass Sq(Dataset):\n    def __len__(self): return 5\n    def __getitem__(self, i): return torch.tensor(i * k)\nk = 3",
            "[b.tolist() for b in DataLoader(Sq(), 2)]",
        ),
        "a loader with workers": case(
            "import torch\nfrom torch.utils.data import DataLoader, Dataset\nclass Sq(Dataset):\n    def __len__(self): return 4\n    def __getitem__(self, i): return torch.tensor(i * i)\nloader = DataLoader(Sq(), 2, num_workers=2)",
            "[b.tolist() for b in loader]",
        ),
        "an autograd function": case(
            "import torch\nclass Double(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x): return x * 2\n    @staticmethod\n    def backward(ctx, g): return g * 2",
            "x = torch.ones(1, requires_grad=True)\nDouble.apply(x).backward()\nx.grad",
        ),
    }
)

CASES = PLAIN | LIBRARIES | TENSORS
