"""Where namespaces are refused: mountPaths and host names replaced in the program's words.

A path is replaced where it stands as a whole or as a leading part (``/trainjob`` in ``/trainjob/job.pyz``,
``--data=/trainjob`` or ``A:/trainjob``, not in ``/my/trainjob`` or ``/trainjobs``), a name where it stands as a whole
word that is no part of a path. What a program builds by itself, or reads from files, is beyond this; a condition of
the pod says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping


def substitution(paths: Mapping[str, str], names: Mapping[str, str]) -> Callable[[str], str]:
    """Return the function that replaces each key of `paths` and `names` by its value, longest first."""
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
