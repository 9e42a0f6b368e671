"""What names and labels may look like, and how names are made up: apimachinery's ``validation`` and ``rand``.

The embedded API server asks for every object, `pods` for containers and volumes. A problem comes out as its text, empty
where there is none. Whoever makes names unique (the client, the Job controller, generateName) does so with `suffix`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Final

from jupyter_trainjob.api.resources import NAMESPACES, SERVICES, Resource

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
SUFFIX_LENGTH: Final = 5
_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"
"""Of ``rand.String``: no vowels, so no words."""
_LONGEST_BASE: Final = 63 - SUFFIX_LENGTH


def suffix() -> str:
    """Return five random letters and digits that make a name unique."""
    return "".join(secrets.choice(_LETTERS) for _ in range(SUFFIX_LENGTH))


def generated(base: str) -> str:
    """Return `base`, cut so that the whole fits into a host name, with a random suffix, as generateName asks."""
    return base[:_LONGEST_BASE] + suffix()


def name_problem(resource: Resource, name: str) -> str:
    """Return why an object of this kind cannot have that name, or nothing."""
    return _RULES.get(resource, subdomain_problem)(name)


def subdomain_problem(name: str) -> str:
    """Return why `name` is no DNS-1123 subdomain, or nothing."""
    if len(name) > 253:
        return "must be no more than 253 characters"
    if re.fullmatch(_SUBDOMAIN, name):
        return ""
    return (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
        "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
        f"'{_SUBDOMAIN}')"
    )


def label_name_problem(name: str) -> str:
    """Return why `name` is no DNS-1123 label, or nothing."""
    if len(name) > 63:
        return "must be no more than 63 characters"
    if re.fullmatch(_LABEL, name):
        return ""
    return (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
        f"with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
    )


def _label_1035_problem(name: str) -> str:
    if len(name) > 63:
        return "must be no more than 63 characters"
    if re.fullmatch(_LABEL_1035, name):
        return ""
    return (
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
        "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation "
        f"is '{_LABEL_1035}')"
    )


def label_key_problem(key: str) -> str:
    """Return why `key` is no qualified name (``name`` or ``prefix/name``), or nothing."""
    prefix, slash, name = key.rpartition("/")
    if slash and (not prefix or subdomain_problem(prefix)):
        return f"prefix part {subdomain_problem(prefix) or 'must be non-empty'}"
    if not name:
        return "name part must be non-empty"
    if len(name) > 63:
        return "name part must be no more than 63 characters"
    if re.fullmatch(_QUALIFIED, name):
        return ""
    return (
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
        "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
        f"'{_QUALIFIED}')"
    )


def label_value_problem(value: str) -> str:
    """Return why `value` cannot be a label's, or nothing."""
    if len(value) > 63:
        return "must be no more than 63 characters"
    if not value or re.fullmatch(_QUALIFIED, value):
        return ""
    return (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
        "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
        f"validation is '(({_QUALIFIED})?')"
    )


_RULES: Final[dict[Resource, Callable[[str], str]]] = {
    NAMESPACES: label_name_problem,
    SERVICES: _label_1035_problem,
}
