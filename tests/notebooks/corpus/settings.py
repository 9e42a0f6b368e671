"""Settings of the notebook's process: warnings, logging, arguments, locale, numbers, streams, the shell."""

from __future__ import annotations

from typing import Final

from tests.notebooks.corpus.case import Case, case, with_torch

WARNED: Final = """
import warnings
outcomes = []
for kind in (UserWarning, DeprecationWarning, RuntimeWarning):
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.warn("careful", kind)
        outcomes.append((kind.__name__, len(caught)))
    except kind:
        outcomes.append((kind.__name__, "raised"))
outcomes
"""

FILTERS: Final = {
    "warnings that nobody configured": case(WARNED),
    "warnings as errors": case("import warnings\nwarnings.simplefilter('error', UserWarning)", WARNED),
    "warnings that are ignored": case("import warnings\nwarnings.filterwarnings('ignore', 'care')", WARNED),
    "warnings without filters": case("import warnings\nwarnings.resetwarnings()", WARNED),
    "warnings of a library": case(
        "import numpy as np",
        "import warnings\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    ratio = np.ones(2) / np.zeros(2)\n"
        "[str(entry.message) for entry in caught]",
    ),
}

CASES: Final[dict[str, Case]] = {
    **FILTERS,
    **{f"{name}, torch imported": item for name, item in with_torch(FILTERS).items()},
    "arguments of a script": case("import sys\nsys.argv = ['train.py', '--lr', '0.1']", "import sys\nsys.argv"),
    "modes of files": case(
        "import os\nos.umask(0o077)",
        "import os, pathlib, tempfile\n"
        "file = pathlib.Path(tempfile.mkdtemp(), 'weights')\nfile.touch()\noct(file.stat().st_mode & 0o777)",
    ),
    "the locale of times": case(
        "import locale\nlocale.setlocale(locale.LC_TIME, 'C.UTF-8')",
        "import locale\nlocale.setlocale(locale.LC_TIME)",
    ),
    "a context of decimals": case(
        "import decimal\ndecimal.getcontext().prec = 5\ndecimal.getcontext().Emax = 9",
        "import decimal\nstr(decimal.Decimal(1) / 3), decimal.getcontext().Emax",
    ),
    "arrays as text": case("import numpy as np\nnp.set_printoptions(precision=2)", "str(np.array([1 / 3, 2 / 3]))"),
    "options of pandas": case(
        "import pandas as pd\npd.set_option('display.max_rows', 7)", "pd.get_option('display.max_rows')"
    ),
    "a style of Matplotlib": case(
        "import matplotlib\nimport matplotlib.style\nmatplotlib.style.use('ggplot')",
        "str(matplotlib.rcParams['axes.prop_cycle']), matplotlib.rcParams['axes.facecolor']",
    ),
    "the root logger": case(
        "import logging, sys\nlogging.basicConfig(level='INFO', stream=sys.stdout, format='%(levelname)s', force=True)",
        "logging.getLogger('any').info('x')\n[type(handler).__name__ for handler in logging.root.handlers][:1], "
        "logging.root.level",
    ),
    "a logger with a handler": case(
        "import logging\nlog = logging.getLogger('mine')\nlog.addHandler(logging.StreamHandler())\nlog.setLevel(10)",
        "log.debug('x')\n(log.level, len(log.handlers), log.isEnabledFor(10))",
    ),
    "a stream as a default argument": case(
        "import sys\ndef say(text, to=sys.stderr):\n    return to.write(text)", "say('four')"
    ),
    "an object with a stream": case(
        "import sys\nclass Writer:\n    def __init__(self): self.stream = sys.stdout\n"
        "    def write(self): return self.stream.write('abc')\nwriter = Writer()",
        "writer.write()",
    ),
    "the cause of an exception in a value": case(
        """
def fail():
    try:
        try:
            1 / 0
        except ZeroDivisionError as error:
            raise ValueError("bad") from error
    except ValueError as error:
        return error
failure = fail()
""",
        "other = fail()\n[(repr(e.__cause__), repr(e.__context__), e.__suppress_context__) for e in (failure, other)]",
    ),
    "get_ipython imported in the cell": case(
        "from IPython import get_ipython\nget_ipython().run_line_magic('load_ext', 'autoreload')\n7"
    ),
    "a helper that looks for a notebook": case(
        "def in_notebook():\n"
        "    try:\n"
        "        from IPython import get_ipython\n"
        "        return 'IPKernelApp' in get_ipython().config\n"
        "    except (ImportError, AttributeError):\n"
        "        return None",
        "in_notebook()",
        expected="False",
    ),
}
