"""Values of ``--secret`` before they are sent: which they are, and where they must not stand."""

from __future__ import annotations

import sys
import types

import pytest

from jupyter_trainjob.bundle import secret
from jupyter_trainjob.bundle.archive import archive, read_manifest
from jupyter_trainjob.bundle.capture import capture_cell
from jupyter_trainjob.bundle.secret import Sealed
from jupyter_trainjob.errors import UsageError

VALUE = "kept-from-everybody-17"


def test_a_variable_of_the_notebook_goes_before_one_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "of the kernel")
    monkeypatch.setenv("OTHER", "theirs")
    found = secret.read(["TOKEN", "OTHER=MINE"], {"TOKEN": VALUE})
    assert found == (Sealed("TOKEN", "TOKEN", VALUE, True), Sealed("OTHER", "MINE", "theirs", False))
    assert VALUE not in repr(found)


@pytest.mark.parametrize(
    "value",
    [pytest.param("", id="nothing"), pytest.param(b"bytes", id="bytes"), pytest.param("a\0b", id="a zero byte"),
     pytest.param("x" * 40_000, id="too long"), pytest.param(None, id="None")],
)  # fmt: skip
def test_what_no_environment_can_hold_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match="--secret TOKEN: it must be a text"):
        secret.read(["TOKEN"], {"TOKEN": value})


def test_what_was_typed_is_not_repeated_where_it_may_be_the_value() -> None:
    typed = "hf_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF6h"
    with pytest.raises(UsageError) as refused:
        secret.check([f"{typed}-x"], ())
    assert typed not in str(refused.value)


def test_the_same_variable_twice_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--secret B: --secret A has the environment variable X already"):
        secret.check(["A=X", "B=X"], ())


def test_one_text_is_no_list() -> None:
    with pytest.raises(UsageError, match=r"such as \['TOKEN'\]"):
        secret.check("TOKEN", ())


def test_no_part_of_a_bundle_has_the_value_but_a_dict_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    exec("def call():\n    return TOKEN", notebook.__dict__)
    names = notebook.__dict__
    names |= {"TOKEN": VALUE, "headers": {"Authorization": f"Bearer {VALUE}"}}
    sealed = secret.read(["TOKEN"], names)
    capture = capture_cell("call(), TOKEN", names, filename="Cell [2]", secrets=sealed)
    assert [each.name for each in capture.names] == ["call"]
    assert VALUE.encode() not in b"".join(data for _, data in capture.payload.pieces())
    manifest = read_manifest(archive(capture, key=b"k", job="job"))
    assert VALUE not in repr(manifest)
    assert [tuple(each) for each in manifest.secrets] == [("TOKEN", "TOKEN", True)]
    beside = capture_cell("headers", names, filename="Cell [2]", secrets=sealed)
    assert beside.beside == ("headers['Authorization'] (--secret TOKEN)",)
    assert VALUE not in repr(beside.recipes)
