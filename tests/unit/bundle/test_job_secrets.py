"""Values of ``--secret``: where they are read from, and that the bundle does not contain them."""

from __future__ import annotations

import sys
import types

import pytest

from jupyter_trainjob.bundle import job_secrets
from jupyter_trainjob.bundle.archive import build_archive, read_manifest
from jupyter_trainjob.bundle.capture import capture_cell
from jupyter_trainjob.bundle.job_secrets import SecretValue
from jupyter_trainjob.errors import UsageError

VALUE = "kept-from-everybody-17"


def test_variable_of_the_notebook_precedes_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "of the kernel")
    monkeypatch.setenv("OTHER", "theirs")
    secrets = job_secrets.read_values(["TOKEN", "OTHER=MINE"], {"TOKEN": VALUE})
    assert secrets == (SecretValue("TOKEN", "TOKEN", VALUE, True), SecretValue("OTHER", "MINE", "theirs", False))
    assert VALUE not in repr(secrets)


@pytest.mark.parametrize(
    "value",
    [pytest.param("", id="nothing"), pytest.param(b"bytes", id="bytes"), pytest.param("a\0b", id="a zero byte"),
     pytest.param("x" * 40_000, id="too long"), pytest.param(None, id="None")],
)  # fmt: skip
def test_value_that_no_environment_variable_can_have_is_rejected(value: object) -> None:
    with pytest.raises(UsageError, match="--secret TOKEN: it must be a string"):
        job_secrets.read_values(["TOKEN"], {"TOKEN": value})


def test_error_does_not_repeat_a_name_that_may_be_the_value() -> None:
    typed = "hf_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF6h"
    with pytest.raises(UsageError) as refused:
        job_secrets.check_names([f"{typed}-x"], ())
    assert typed not in str(refused.value)


def test_same_environment_variable_twice_is_rejected() -> None:
    with pytest.raises(UsageError, match=r"--secret B: --secret A has the environment variable X already"):
        job_secrets.check_names(["A=X", "B=X"], ())


def test_string_instead_of_a_list_is_rejected() -> None:
    with pytest.raises(UsageError, match=r"such as \['TOKEN'\]"):
        job_secrets.check_names("TOKEN", ())


def test_secret_is_in_no_part_of_the_bundle_but_a_reported_dict(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    exec("def call():\n    return TOKEN", notebook.__dict__)
    names = notebook.__dict__
    names |= {"TOKEN": VALUE, "headers": {"Authorization": f"Bearer {VALUE}"}}
    sealed = job_secrets.read_values(["TOKEN"], names)
    capture = capture_cell("call(), TOKEN", names, filename="Cell [2]", secrets=sealed)
    assert [item.name for item in capture.names] == ["call"]
    assert VALUE.encode() not in b"".join(data for _, data in capture.payload.pieces())
    manifest = read_manifest(build_archive(capture, key=b"k", job="job"))
    assert VALUE not in repr(manifest)
    assert [tuple(item) for item in manifest.secrets] == [("TOKEN", "TOKEN", True)]
    leaking = capture_cell("headers", names, filename="Cell [2]", secrets=sealed)
    assert leaking.leaks == ("headers['Authorization'] (--secret TOKEN)",)
    assert VALUE not in repr(leaking.recipes)
