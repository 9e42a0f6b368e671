"""Cells with data frames, arrays and estimators, as in tutorials."""

from __future__ import annotations

from .case import case

_PANDAS = "import pandas as pd, numpy as np\n"

CASES = {
    "frames of all types": case(
        _PANDAS
        + """
df = pd.DataFrame({'c': pd.Categorical(['a', 'b', None], categories=['b', 'a', 'z'], ordered=True), 't': pd.date_range('2024-03-30', periods=3, tz='Europe/Berlin'),
 'i': pd.array([1, None, 3], dtype='Int64'), 's': pd.array(['x', None, 'z'], dtype='string'), 'td': pd.to_timedelta([1, 2, 3], unit='h'), 'o': [[1], {'a': 2}, None], 'p': pd.period_range('2024-01', periods=3, freq='M')})
df.attrs['src'] = 'kaggle'
""",
        "df, df.dtypes.astype(str).tolist(), df.attrs, df.c.cat.categories.tolist(), df.c.cat.ordered, str(df.t.dt.tz), df.o[0]",
    ),
    "multiindex": case(
        _PANDAS
        + "ix = pd.MultiIndex.from_product([['a', 'b'], [1, 2]], names=['k', 'n'])\ndf = pd.DataFrame({('x', 'm'): range(4)}, index=ix)",
        "df.loc['a'].sum().tolist(), df.index.names, df, df.unstack('n')",
    ),
    "groupby apply lambdas": case(
        _PANDAS
        + "df = pd.DataFrame({'k': list('aab'), 'v': [1, 2, 3]})\nagg = {'v': [('m', 'mean'), ('r', lambda s: s.max() - s.min())]}\ng = df.groupby('k')",
        "df.groupby('k').agg(agg), g['v'].sum(), df.assign(w=lambda d: d.v * 2), df.pipe(lambda d: d[d.v > 1])",
    ),
    "views and chained": case(
        _PANDAS + "df = pd.DataFrame({'a': [1, 2, 3]})\ns = df['a']\nsub = df.iloc[1:]",
        "df.loc[0, 'a'] = 9\ns.tolist(), sub.a.tolist(), df",
    ),
    "subclass of a frame": case(
        _PANDAS
        + """
class MyDF(pd.DataFrame):
    _metadata = ['tag']
    @property
    def _constructor(self): return MyDF
d = MyDF({'a': [1]}); d.tag = 'q'
""",
        "type(d[['a']]).__name__, d.tag, d",
    ),
    "rolling and eval": case(
        _PANDAS + "df = pd.DataFrame({'a': np.arange(5.)})\nk = 2",
        "df.query('a > @k'), df.eval('b = a * 2'), df.rolling(2).mean().fillna(0)",
    ),
    "pipeline with lambda": case(
        """
from sklearn.pipeline import Pipeline, make_pipeline, FeatureUnion
from sklearn.preprocessing import FunctionTransformer, StandardScaler, OneHotEncoder
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.base import BaseEstimator, TransformerMixin, clone
import numpy as np, pandas as pd
class Clip(TransformerMixin, BaseEstimator):
    def __init__(self, hi=1.): self.hi = hi
    def fit(self, X, y=None):
        self.n_ = X.shape[1]
        return self
    def transform(self, X): return np.minimum(X, self.hi)
df = pd.DataFrame({'n': [1., 2, 3, 4], 'c': list('abab')})
pre = ColumnTransformer([('n', make_pipeline(FunctionTransformer(lambda x: np.log1p(x)), Clip(1.2), StandardScaler()), ['n']), ('c', OneHotEncoder(), ['c'])])
pipe = Pipeline([('pre', pre), ('lr', LogisticRegression())])
""",
        "y = [0, 1, 0, 1]\npipe.fit(df, y)\npipe.predict(df), pipe.predict_proba(df).round(6), clone(Clip(3)).hi, pipe.get_params()['pre__n__clip__hi'], pipe.named_steps['lr'].coef_.shape, pipe",
    ),
    "grid search n_jobs": case(
        """
from sklearn.model_selection import cross_val_score
from sklearn.base import BaseEstimator, ClassifierMixin
import numpy as np
class Maj(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.m_ = np.bincount(y).argmax(); return self
    def predict(self, X): return np.full(len(X), self.m_)
X = np.zeros((12, 1)); y = np.array([0] * 9 + [1] * 3)
""",
        "cross_val_score(Maj(), X, y, cv=3, n_jobs=2)",
    ),
    "numpy odd": case(
        """
import numpy as np
rec = np.rec.array([(1, 'a')], dtype=[('x', 'i4'), ('s', 'U3')])
st = np.zeros(2, dtype=[('p', [('x', 'f4'), ('y', 'f4')]), ('m', 'u1', (2, 2))])
obj = np.empty(2, object); obj[0] = obj; obj[1] = [1]
be = np.array([1, 2], '>i4'); ro = np.arange(3); ro.flags.writeable = False
f = np.asfortranarray(np.arange(6).reshape(2, 3)); strided = np.arange(10)[::2]; zero = np.array(5); bc = np.broadcast_to(np.arange(3), (2, 3))
mat = np.matrix('1 2; 3 4'); ma = np.ma.masked_invalid([1., np.nan]); v = np.void(b'ab'); s = np.str_('x'); ld = np.longdouble(1) / 3
poly = np.poly1d([1, 2]); P = np.polynomial.Polynomial([1, 2])
""",
        "rec.x, st, obj[0] is obj, be, ro.flags.writeable, f.flags.f_contiguous, strided, zero, bc, mat * mat, ma, np.ma.masked, s, ld, poly(2), P(3), be.dtype.byteorder",
    ),
    "memmap written": case(
        "import numpy as np\nm = np.memmap('corpus2.dat', 'f4', 'w+', shape=(3,))\nm[:] = 2\nm.flush()",
        "np.memmap('corpus2.dat', 'f4', 'r')[1]",
    ),
    "array subclass": case(
        """
import numpy as np
class Info(np.ndarray):
    def __new__(cls, a, info=None):
        o = np.asarray(a).view(cls); o.info = info
        return o
    def __array_finalize__(self, o): self.info = getattr(o, 'info', None)
a = Info([1, 2], info='q')
""",
        "a.sum().item(), (a * 2).info, a.info, type(a[1:]).__name__, a",
    ),
    "rng kinds": case(
        "import numpy as np\nrs = np.random.RandomState(4); rs.rand()\ng = np.random.Generator(np.random.PCG64DXSM(3)); ss = np.random.SeedSequence(9)\nchild = np.random.default_rng(1).spawn(2)",
        "rs.rand(2), g.normal(size=2), ss.generate_state(1), child[1].random(), np.random.default_rng(ss.spawn(1)[0]).random()",
    ),
    "piecewise vectorize kw": case(
        "import numpy as np\nv = np.vectorize(lambda x, k=2: x * k, otypes=[float])", "v([1, 2]), v([1], k=5)"
    ),
    "sympy": case(
        "import sympy as sp\nx, y = sp.symbols('x y')\ne = (x + y) ** 2\nf = sp.lambdify((x, y), e)",
        "str(sp.expand(e)), f(1, 2), e.subs(x, 1).subs(y, 1)",
    ),
    "networkx": case(
        "import networkx as nx\nG = nx.DiGraph(); G.add_edge('a', 'b', w=2); G.add_node(3)\nshort = nx.shortest_path_length",
        "nx.shortest_path(G, 'a', 'b'), sorted(map(str, G.nodes)), G['a']['b']['w'], short(G, 'a', 'b')",
    ),
    "matplotlib": case(
        "import matplotlib\nmatplotlib.use('agg')\nimport matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nln, = ax.plot([1, 2])",
        "ax.set_title('t')\nax.get_title(), len(ax.lines), ax.figure is fig, type(fig).__name__",
    ),
    "pydantic": case(
        """
from pydantic import BaseModel, Field, field_validator
from typing import Optional
class Sub(BaseModel):
    k: int = 3
class Cfg(BaseModel):
    lr: float = Field(gt=0)
    sub: Sub = Sub()
    tags: list[str] = []
    name: Optional[str] = None
    @field_validator('name')
    @classmethod
    def low(cls, v): return v.lower() if v else v
c = Cfg(lr=1, name='AB')
""",
        "try:\n    Cfg(lr=-1)\nexcept ValueError as e:\n    bad = type(e).__name__\nc.model_dump(), bad, Cfg.model_validate({'lr': 2}).sub.k, c",
    ),
    "attrs": case(
        """
import attr, attrs
@attrs.define
class A:
    x: int = attrs.field(validator=attrs.validators.instance_of(int))
    y: list = attrs.field(factory=list)
@attr.s(auto_attribs=True, frozen=True)
class B:
    z: int = 2
a, b = A(1), B()
""",
        "try:\n    A('q')\nexcept TypeError:\n    bad = 1\na, b, attrs.evolve(a, x=3), attrs.asdict(a), bad",
    ),
    "estimators fitted": case(
        """
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.datasets import make_blobs
X, y = make_blobs(40, random_state=0)
rf = RandomForestClassifier(5, random_state=0).fit(X, y)
km = KMeans(2, n_init=1, random_state=0).fit(X)
tv = TfidfVectorizer(tokenizer=lambda s: s.split('-'), token_pattern=None).fit(['a-b', 'b-c'])
""",
        "rf.predict(X[:4]), rf.feature_importances_.round(8), km.labels_[:5], tv.transform(['a-c']).toarray(), rf",
    ),
    "errors of NumPy": case(
        "import numpy as np\nold = np.seterr(all='raise')",
        "try:\n    np.array(1.) / 0\n    r = 'inf'\nexcept FloatingPointError:\n    r = 'raised'\nnp.seterr(**old)\nr",
    ),
    "a slice of an array": case(
        "import numpy as np\na = np.arange(10)\nb = a[2:5]\nrows = {'last': a[::-2]}",
        "b[0] = 99\na[9] = -1\na, rows, np.shares_memory(a, b)",
    ),
    "rows and columns of a matrix": case(
        "import numpy as np\nm = np.arange(12.).reshape(3, 4)\nc = m[:, 1]\nt = m.T\nr = m.ravel()\nf = np.asfortranarray(m)\ng = f[1:]",
        "c += 100\nt[0, 0] = -5\nr[-1] = 0\ng[0, 0] = 7\nm, f, g, t.shape",
    ),
    "ten rows of many": case(
        "import numpy as np\nbig = np.zeros((100_000, 10))\nfew = big[:10]", "few[0] = 1\nfew.sum(), few.shape"
    ),
    "a whole that is split": case(
        "import numpy as np\nwhole = np.zeros((50_000, 10))\nparts = np.split(whole, 5)\ntrain, test = parts[0], whole[10_000:20_000]",
        "train[0] = 1\ntest[0] = 2\ntrain.sum(), test.sum()",
    ),
    "a result of views": case(
        "import numpy as np", "a = np.arange(6)\nb = a.reshape(2, 3)\nv = [a, b, a[1:3]]\nv[1][0, 1] = 50\nv"
    ),
    "fields of a structured array": case(
        "import numpy as np\nst = np.zeros(3, [('x', 'f4'), ('n', 'i8')])\nx = st['x']\nro = np.broadcast_to(np.arange(3), (2, 3))",
        "x[1] = 4\nst, ro, ro.flags.writeable",
    ),
}
