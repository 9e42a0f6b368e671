"""The npm package has the version of the Python package, whose source is `constants.VERSION`."""

from __future__ import annotations

import json

from jupyter_trainjob.constants import VERSION
from tests.paths import ROOT


def test_front_end_has_the_version_of_the_package() -> None:
    assert json.loads((ROOT / "labextension" / "package.json").read_text())["version"] == VERSION
