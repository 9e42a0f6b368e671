"""Cells that use modules and names in the ways of notebooks."""

from __future__ import annotations

from .case import case

LOCAL = """
import pathlib
for path, text in {
    "corpus_pk/__init__.py": "",
    "corpus_pk/sub/__init__.py": "",
    "corpus_pk/sub/leaf.py": "value = 5\\ndef double(x): return 2 * x",
    "corpus_ns/inner/part.py": "value = 6",
}.items():
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(path).write_text(text)
"""

CASES = {
    "submodules by their dotted names": case(
        "import concurrent.futures, xml.etree.ElementTree, logging.handlers, email.mime.text",
        "class Here:\n    pool = concurrent.futures.ThreadPoolExecutor.__name__\n"
        "    tags = [xml.etree.ElementTree.fromstring(t).tag for t in ['<a/>', '<b/>']]\n"
        "make = lambda: email.mime.text.MIMEText('x').get_content_type()\n"
        "Here.pool, Here.tags, make(), f'{logging.handlers.DEFAULT_TCP_LOGGING_PORT}'",
    ),
    "submodules under an alias of their package": case(
        "import xml.dom.minidom\nimport xml as x", "d = x.dom\nd.minidom.parseString('<a/>').documentElement.tagName"
    ),
    "a submodule as a name, and one below it": case(
        "import importlib.metadata as m, importlib.resources.abc, importlib.resources as r",
        "m.PackageNotFoundError.__name__, r.abc.__name__",
    ),
    "submodules of a local package": case(
        LOCAL,
        "import corpus_pk.sub.leaf, corpus_ns.inner.part\nimport corpus_pk as p",
        "def f(): return [p.sub.leaf.double(x) for x in (1, 2)]\nf(), corpus_pk.sub.leaf.value, corpus_ns.inner.part.value",
    ),
    "a submodule that only a helper reaches": case(
        "import functools, urllib.parse\ndef shout(f):\n    @functools.wraps(f)\n    def inner(u): return f(u).upper()\n"
        "    return inner\n@shout\ndef host(u): return [urllib.parse.urlsplit(u).netloc for _ in '.'][0]",
        "host('http://a.b/c')",
    ),
    "names of __main__": case(
        "import pickle\nclass Net:\n    rate = 2\n    def __eq__(self, o): return type(self) is type(o)\n"
        "def helper(): return Net.rate\n_n = open('corpus.pkl', 'wb').write(pickle.dumps(Net()))",
        "import __main__, pickle, timeit\nfrom __main__ import helper\nNet\n"
        "pickle.load(open('corpus.pkl', 'rb')), helper(), __main__.Net.rate, "
        "timeit.timeit('helper()', setup='from __main__ import helper', number=1) > 0",
    ),
    "the source of a helper": case(
        "import inspect\ndef outer():\n    def inner(): return 1  # here\n    return inner\nf = outer()",
        "inspect.getsource(f), f.__code__.co_firstlineno, inspect.getsource(outer)",
    ),
    "display of several values, and its handle": case(
        "from IPython.display import display as show", "h = show(1, 'a', display_id=True)\nh.update(2)\n3"
    ),
    "a bar for the notebook": case(
        "import warnings\nwarnings.simplefilter('ignore')\nfrom tqdm.notebook import tqdm\nfrom tqdm.auto import trange",
        "[*tqdm([1, 2])], [*trange(2)]",
        expected="([1, 2], [0, 1])",
    ),
    "an exception of a name that is not there": case(
        "try:\n    nowhere\nexcept NameError as e:\n    said = str(e)\nsaid"
    ),
}
