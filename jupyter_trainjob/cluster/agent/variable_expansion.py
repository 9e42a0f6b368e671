"""References to environment variables in a pod's spec, as kubelet expands them.

Upstream: ``k8s.io/kubernetes/third_party/forked/golang/expansion``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\$|\$\(([^()]*)\)")


def expand_variables(text: str, env: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` with the variable; ``$$`` is a dollar sign, and unknown names stay unchanged.

    >>> expand_variables("$(A) $$(A) $(B)", {"A": "1"})
    '1 $(A) $(B)'
    """

    def replaced(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return env.get(match[1], match[0])

    return _REFERENCE.sub(replaced, text)


def unknown_names(text: str, env: Mapping[str, str]) -> list[str]:
    """Return the referenced names in `text` that have no value, sorted."""
    names = {match[1] for match in _REFERENCE.finditer(text) if match[0] != "$$"}
    return sorted(name for name in names if not env.get(name))
