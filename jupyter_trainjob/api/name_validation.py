"""Validate names and labels, and generate names: apimachinery's ``validation`` and ``rand``.

The functions return the error message of apimachinery, empty for a valid name. `random_suffix` makes names unique, as
those of ``generateName``.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Final

from jupyter_trainjob.api.resources import EVENTS, NAMESPACES, SERVICES, Resource

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_DOMAIN_PATH: Final = rf"{_SUBDOMAIN}/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
SUFFIX_LENGTH: Final = 5
_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"
"""The alphabet of ``rand.String``: without vowels, to avoid words."""
_LONGEST_BASE: Final = 63 - SUFFIX_LENGTH


def random_suffix() -> str:
    """Return five random letters and digits, to make a name unique."""
    return "".join(secrets.choice(_LETTERS) for _ in range(SUFFIX_LENGTH))


def generate_name(base: str) -> str:
    """Return `base`, cut to fit into a host name, with a random suffix, as for ``generateName``."""
    return base[:_LONGEST_BASE] + random_suffix()


def name_problem(resource: Resource, name: str) -> str:
    """Return why an object of this kind cannot have that name; empty if it can."""
    return _RULES.get(resource, subdomain_problem)(name)


def prefix_problem(resource: Resource, prefix: str) -> str:
    """Return why names of this kind cannot begin so; empty if they can. The prefix may end with a dash.

    Upstream: ``maskTrailingDash`` in https://github.com/kubernetes/apimachinery/blob/v0.36.2/pkg/api/validation/generic.go
    """
    complete = f"{prefix[:-2]}a" if len(prefix) > 1 and prefix.endswith("-") else prefix
    return name_problem(resource, complete)


def subdomain_problem(name: str) -> str:
    """Return why `name` is not a DNS-1123 subdomain; empty if it is."""
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
    """Return why `name` is not a DNS-1123 label; empty if it is."""
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


def is_domain_prefixed_path(text: str) -> bool:
    """Return whether `text` is a domain and a path, such as ``acme.io/foo``."""
    return re.fullmatch(_DOMAIN_PATH, text) is not None


def _path_segment_problem(name: str) -> str:
    if name in {".", ".."}:
        return f"may not be '{name}'"
    return next((f"may not contain '{letter}'" for letter in "/%" if letter in name), "")


def label_key_problem(key: str) -> str:
    """Return why `key` is not a qualified name (``name`` or ``prefix/name``); empty if it is."""
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
    """Return why `value` is not a label value; empty if it is."""
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
    EVENTS: _path_segment_problem,
}
