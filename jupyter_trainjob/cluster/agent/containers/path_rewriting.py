"""Rewrite mount paths and host names in a program's arguments and variables, if namespaces are not available.

A path is replaced as a whole or as a leading part (``/trainjob`` in ``/trainjob/job.pyz``, ``--data=/trainjob`` or
``A:/trainjob``, not in ``/my/trainjob`` or ``/trainjobs``), a name as a whole word outside of paths. Paths that a
program composes or reads from files are not rewritten; a condition of the pod states this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping


def path_rewriter(paths: Mapping[str, str], names: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function that replaces each key of `paths` and `names` with its value, longest first.

    >>> path_rewriter({"/data": "/tmp/x"}, {})("--in=/data/a /database")
    '--in=/tmp/x/a /database'
    """
    if not paths and not names:
        return lambda text: text
    path = "|".join(re.escape(key) for key in sorted(paths, key=len, reverse=True))
    name = "|".join(re.escape(key) for key in sorted(names, key=len, reverse=True))
    parts = []
    if path:
        parts.append(rf"(?<![\w./-])(?P<path>{path})(?![\w.-])")
    if name:
        parts.append(rf"(?<![\w.-])(?<![^/]/)(?P<name>{name})(?![\w-]|\.\w)")
    pattern = re.compile("|".join(parts))

    def replaced(match: re.Match[str]) -> str:
        return paths.get(match[0]) or names[match[0]]

    return lambda text: pattern.sub(replaced, text)
