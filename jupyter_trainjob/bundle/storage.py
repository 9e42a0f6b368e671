"""Where a job's folder is to lie: ``--storage pvc://CLAIM[/path]`` or ``--storage URL``.

In: what was typed. Out: what `delivery` mounts, and the one address that everybody reads: `protocol.STORAGE_ENV` of the
job, which is that storage with the job's name at its end. A claim is mounted by all pods; what lies behind a URL is
kept equal with a folder of each pod by the worker.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.errors import UsageError
from jupyter_trainjob.worker.protocol import STORAGE_ENV

CLAIM_SCHEME: Final = "pvc"
EXAMPLES: Final = "pvc://CLAIM, pvc://CLAIM/path, s3://BUCKET/path, gs://BUCKET/path or file:///path"
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*)://(.+)", re.DOTALL)
_CLAIM: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


class Storage(NamedTuple):
    """An address below which each job has its folder."""

    url: str
    """Without a slash at its end."""

    @property
    def claim(self) -> str | None:
        """Return the name of the PersistentVolumeClaim, if it is one."""
        scheme, _, rest = self.url.partition("://")
        return rest.partition("/")[0] if scheme == CLAIM_SCHEME else None

    @property
    def path(self) -> str:
        """Return the path in a claim; empty for its root."""
        return self.url.partition("://")[2].partition("/")[2]

    def of_job(self, name: str) -> Storage:
        """Return the address of one job's folder."""
        return Storage(f"{self.url}/{name}")

    def above(self) -> Storage:
        """Return the address of which this is a job's folder."""
        return Storage(self.url.rpartition("/")[0])


def parse(text: str) -> Storage:
    """Return what was typed. Raises `errors.UsageError` for what cannot be meant."""
    found = _SCHEME.fullmatch(text)
    if found is None or re.search(r"[\s$\x00-\x1f]", text):
        raise UsageError(f"{text!r} is no storage: write {EXAMPLES}.")
    scheme, rest = found.groups()
    if scheme == "memory":
        raise UsageError(f"{text!r}: what lies in the memory of one process is not there for others. Write {EXAMPLES}.")
    parts = rest.strip("/").split("/")
    if {"", ".", ".."} & set(parts):
        raise UsageError(f"{text!r} is no storage: its path has an empty part, or one of dots. Write {EXAMPLES}.")
    if scheme == "file" and not rest.startswith("/"):
        raise UsageError(f"{text!r} is no storage: the path must begin at the root, as in file:///{rest}.")
    if scheme == CLAIM_SCHEME and not _CLAIM.fullmatch(parts[0]):
        raise UsageError(f"{text!r} is no storage: {parts[0]!r} cannot be the name of a PersistentVolumeClaim.")
    return Storage(f"{scheme}://{rest.rstrip('/')}")


def of(spec: Object) -> Storage | None:
    """Return where the folder of the job with this spec lies; None for one that was sent without ``--storage``."""
    for each in (spec.get("trainer") or {}).get("env") or ():
        if each["name"] == STORAGE_ENV and each.get("value"):
            return Storage(str(each["value"]))
    return None
