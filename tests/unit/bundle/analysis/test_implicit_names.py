"""Names that test runners and frameworks look up themselves."""

from __future__ import annotations

import ast
import types
import unittest

import pytest

from jupyter_trainjob.bundle.analysis.implicit_names import implicit_names

SOURCE = """
import unittest
class Case(unittest.TestCase): pass
def shown():
    '''>>> shown()'''
def silent():
    '''No example.'''
class Shown:
    def method(self):
        '''>>> Shown().method()'''
number = 3
"""
CASES = {
    "unittest.main takes the test cases": ("unittest.main(argv=['x'], exit=False)", ["Case"]),
    "doctest.testmod uses objects with examples": ("import doctest\ndoctest.testmod()", ["shown", "Shown"]),
    "a function that calls it is followed": ("def go(): return unittest.main()\ngo()", ["Case"]),
    "other runners name their functions": ("unittest.TextTestRunner().run(suite)", []),
    "an import from __main__": ("def f():\n    from __main__ import shown, Case as C", ["Case", "shown"]),
    "an import in a text": ("timeit('shown()', setup='from __main__ import (shown,\\n Case)')", ["Case", "shown"]),
    "an attribute of __main__": ("import __main__, __main__ as m\nm.shown()\n__main__.Case", ["Case", "shown"]),
    "an attribute of __main__ by its name": ("import __main__\ngetattr(__main__, 'Case')", ["Case"]),
    "a module that Python keeps": ("import sys\nsys.modules['__main__'].shown()", ["shown"]),
    "an entry of globals": ("globals()['number'] + 1", ["number"]),
    "a method of another object is ignored": ("self.unittest.main()", []),
}


@pytest.fixture(scope="module")
def namespace() -> dict[str, object]:
    module = types.ModuleType("__main__")
    exec(SOURCE, module.__dict__)
    assert issubclass(module.Case, unittest.TestCase)
    return dict(module.__dict__)


@pytest.mark.parametrize(("cell", "names"), CASES.values(), ids=CASES)
def test_implicit_names_of_a_cell(namespace: dict[str, object], cell: str, names: list[str]) -> None:
    assert implicit_names(ast.parse(cell), namespace) == names
