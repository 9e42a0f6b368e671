"""The documentation names messages and files that exist."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from types import ModuleType

import pytest

from jupyter_trainjob.cli import main
from jupyter_trainjob.client.spec.options import TABLE, Option
from jupyter_trainjob.magics import arguments
from tests.paths import ROOT

pytestmark = pytest.mark.slow

TROUBLESHOOTING = ROOT / "docs" / "how-to" / "troubleshooting.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
WILDCARD = "…"


def _strings() -> Iterator[str]:
    """Yield the string literals of the package, with a wildcard for each interpolated value."""
    for path in (ROOT / "jupyter_trainjob").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                yield "".join(str(v.value) if isinstance(v, ast.Constant) else WILDCARD for v in node.values)
            elif isinstance(node, ast.ClassDef):
                yield node.name


@pytest.fixture(scope="module")
def text() -> str:
    """All texts of the package, a line each."""
    return "\n".join(" ".join(string.split()) for string in _strings())


@pytest.mark.parametrize("message", re.findall(r"(?m)^`([^`]+)`\n:", TROUBLESHOOTING.read_text()))
def test_message_of_the_troubleshooting_page_is_one_of_the_package(message: str, text: str) -> None:
    pattern = ".*?".join(map(re.escape, message.strip().split(WILDCARD)))
    assert re.search(pattern, text), f"No text of the package has {message!r}: update docs/how-to/troubleshooting.md."


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_files_that_a_page_of_the_repository_links_to_exist(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text())
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert not missing


def _paths() -> Iterator[str]:
    """Yield the files and folders that CONTRIBUTING.md names in backticks."""
    for word in re.findall(r"`([\w./-]+)`", CONTRIBUTING.read_text()):
        if "/" in word and not word.startswith((".venv", "/")):
            yield word


@pytest.mark.parametrize("path", sorted(set(_paths())))
def test_path_in_contributing_exists(path: str) -> None:
    assert any((root / path).exists() for root in (ROOT, ROOT / "jupyter_trainjob")), path


@pytest.fixture(scope="module")
def reference_tables() -> ModuleType:
    """The generator of the reference pages."""
    path = ROOT / "docs" / "extensions" / "reference_tables.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_reference_lists_every_option_of_the_table(
    reference_tables: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TABLE, "team", Option("team that pays for the job", metavar="T", flag="--team"))
    page = "\n".join(reference_tables.job_options())
    assert "| `--team T` | `team` | `str` | yes | team that pays for the job |" in page
    assert all(f"`{option.flag or option.metavar}" in page for option in TABLE.values())


def test_reference_lists_every_command(reference_tables: ModuleType) -> None:
    page = "\n".join([*reference_tables.commands(arguments.line_parser()), *reference_tables.commands(main.parser())])
    for command in ("%trainjob stop", "jupyter trainjob logs", "jupyter trainjob cluster start"):
        assert f"### `{command}`" in page


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("server_settings", "| `c.TrainJobApp.proxy` | `True` |"),
        ("forwarded_requests", "| `pods/log` | get |"),
        ("cluster_settings", "| `TRAINJOB_KEEP_DAYS` | `keep_days` | 14 |"),
        ("refused_pod_fields", "| `resourceClaims` |"),
        ("ignored_pod_fields", "| `hostNetwork` |"),
    ],
)
def test_reference_is_generated_from_the_code(reference_tables: ModuleType, table: str, row: str) -> None:
    assert row in "\n".join(getattr(reference_tables, table)())
