"""Names of jobs: the notebook variable that a user chooses, and the Kubernetes name derived from it."""

from __future__ import annotations

import builtins
import keyword
import unicodedata
from typing import Final

from jupyter_trainjob import errors
from jupyter_trainjob.api.name_validation import SUFFIX_LENGTH, random_suffix

MAX_NAME: Final = 40
"""Characters of a TrainJob's name: JobSet derives names from it and refuses those beyond 63 characters."""
LONGEST_NAME: Final = MAX_NAME - SUFFIX_LENGTH - 1
"""Characters of the part that a user chooses: a dash and a suffix follow."""


def check_name(name: str) -> None:
    """Raise `errors.UsageError` unless `name` can be a notebook variable and the start of a TrainJob's name."""
    if not name.isidentifier() or keyword.iskeyword(name) or not name.isascii():
        raise errors.UsageError(
            f"{name!r} cannot be the name of a job: it becomes a notebook variable, so it must be a Python "
            f"identifier of ASCII letters, digits and underscores, such as {nearest_name(name)!r}."
        )
    if len(name) > LONGEST_NAME:
        raise errors.UsageError(
            f"{name!r} is too long for the name of a job: at most {LONGEST_NAME} characters, since Kubernetes derives "
            "longer names from it."
        )


def check_variable(name: str) -> None:
    """Raise `errors.UsageError` for a variable that would hide a function or type of Python in the notebook."""
    if hasattr(builtins, name):
        raise errors.UsageError(
            f"A job called {name} would hide Python's own {name} in this notebook, since its name becomes a variable. "
            f"Choose another one, such as {name}_job. Nothing was sent."
        )


def nearest_name(text: str) -> str:
    """Return the nearest valid name of a job.

    >>> nearest_name("train-me"), nearest_name("8th"), nearest_name("class"), nearest_name("ünï")
    ('train_me', 'job_8th', 'class_', 'uni')
    """
    letters = (letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    cleaned = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in letters).strip("_")
    cleaned = cleaned or "job"
    cleaned = cleaned if not cleaned[0].isdigit() else f"job_{cleaned}"
    cleaned = f"{cleaned}_" if keyword.iskeyword(cleaned) else cleaned
    return cleaned[:LONGEST_NAME]


def new_trainjob_name(name: str) -> str:
    """Return a name for a new TrainJob: the variable as Kubernetes allows it, and a random suffix."""
    return f"{name.lower().replace('_', '-').strip('-') or 'job'}-{random_suffix()}"
