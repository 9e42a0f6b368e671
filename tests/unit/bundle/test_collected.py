"""Names that test runners find by themselves."""

from __future__ import annotations

import ast
import types
import unittest

import pytest

from jupyter_trainjob.bundle.collected import collected

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
    "doctest.testmod takes what has examples": ("import doctest\ndoctest.testmod()", ["shown", "Shown"]),
    "a function that does is followed where it stands": ("def go(): return unittest.main()\ngo()", ["Case"]),
    "other runners name what they run": ("unittest.TextTestRunner().run(suite)", []),
    "a method of another object is none": ("self.unittest.main()", []),
}


@pytest.fixture(scope="module")
def namespace() -> dict[str, object]:
    module = types.ModuleType("__main__")
    exec(SOURCE, module.__dict__)
    assert issubclass(module.Case, unittest.TestCase)
    return dict(module.__dict__)


@pytest.mark.parametrize(("cell", "names"), CASES.values(), ids=CASES)
def test_names_are_found(namespace: dict[str, object], cell: str, names: list[str]) -> None:
    assert collected(ast.parse(cell), namespace) == names
