"""Parse ``--storage``: ``pvc://CLAIM[/path]`` or a URL.

A job's location is that of ``--storage`` with the job's name appended; `protocol.STORAGE_ENV` of the job contains it.
All pods mount a claim; the worker syncs the folder behind a URL with a folder of each pod.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.errors import StorageError, TrainJobError, UsageError
from jupyter_trainjob.worker.protocol import STORAGE_ENV
from jupyter_trainjob.worker.storage.fsspec_store import NoStoreLibrary

CLAIM_SCHEME: Final = "pvc"
SCHEMES: Final = (
    CLAIM_SCHEME,
    *("file", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "hf"),
    *("hdfs", "webhdfs", "ftp", "sftp", "ssh", "smb"),
)
"""Schemes of writable storage."""
EXAMPLES: Final = "pvc://CLAIM, pvc://CLAIM/path, s3://BUCKET/path, gs://BUCKET/path or file:///path"
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*)://(.+)", re.DOTALL)
_CLAIM: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


class StorageLocation(NamedTuple):
    """A URL below which each job has its folder."""

    url: str
    """Without a trailing slash."""

    @property
    def claim(self) -> str | None:
        """Return the name of the PersistentVolumeClaim, if it is one."""
        scheme, _, rest = self.url.partition("://")
        return rest.partition("/")[0] if scheme == CLAIM_SCHEME else None

    @property
    def path(self) -> str:
        """Return the path in a claim; empty for its root."""
        return self.url.partition("://")[2].partition("/")[2]

    def for_job(self, name: str) -> StorageLocation:
        """Return the location of one job's folder."""
        return StorageLocation(f"{self.url}/{name}")

    def parent(self) -> StorageLocation:
        """Return the location of which this is a job's folder."""
        return StorageLocation(self.url.rpartition("/")[0])


def parse_storage(text: str) -> StorageLocation:
    """Parse the value of ``--storage``. Raises `errors.UsageError` if it is invalid.

    >>> parse_storage("pvc://data/runs/")
    StorageLocation(url='pvc://data/runs')
    """
    match = _SCHEME.fullmatch(text)
    has_wrong_character = re.search(r"[\s$\x00-\x1f]", text) is not None
    if match is None or has_wrong_character:
        is_path = text.startswith("/") and not has_wrong_character
        meant = f" A folder of this computer is file://{text}." if is_path else ""
        raise UsageError(f"{text!r} is not a storage location: write {EXAMPLES}.{meant}")
    scheme, rest = match.groups()
    if ":" in rest.partition("/")[0].rpartition("@")[0]:
        raise UsageError(
            f"{_without_password(text)} contains a password, readable by everyone who may read the job. Leave it out, "
            "and send it with --secret, in the variables that the storage reads: for s3:// --secret AWS_ACCESS_KEY_ID "
            "--secret AWS_SECRET_ACCESS_KEY. Nothing was sent."
        )
    if scheme == "memory":
        raise UsageError(f"{text!r}: the memory of one process cannot be shared. Write {EXAMPLES}.")
    if scheme not in SCHEMES:
        reason = "files cannot be written over HTTP" if scheme in ("http", "https") else f"{scheme}:// is not known"
        raise UsageError(
            f"{_without_password(text)} is not a storage location: {reason}. Supported: {', '.join(SCHEMES)}. Write "
            f"{EXAMPLES}."
        )
    parts = rest.strip("/").split("/")
    if {"", ".", ".."} & set(parts):
        raise UsageError(f"{text!r} is not a storage location: its path has an empty part, . or ... Write {EXAMPLES}.")
    if scheme == "file" and not rest.startswith("/"):
        raise UsageError(f"{text!r} is not a storage location: the path must begin at the root, as in file:///{rest}.")
    if scheme == CLAIM_SCHEME and not _CLAIM.fullmatch(parts[0]):
        raise UsageError(
            f"{text!r} is not a storage location: {parts[0]!r} cannot be the name of a PersistentVolumeClaim."
        )
    return StorageLocation(f"{scheme}://{rest.rstrip('/')}")


@contextlib.contextmanager
def translate_errors(url: str) -> Iterator[None]:
    """Convert errors of a store's library to `errors.StorageError`; FileNotFoundError passes."""
    try:
        yield
    except (TrainJobError, FileNotFoundError):
        raise
    except NoStoreLibrary as error:
        raise UsageError(f"{url} cannot be reached: {error}. Install it, such as s3fs or gcsfs.") from error
    except Exception as error:
        raise StorageError(
            f"{url} cannot be reached from this notebook: {type(error).__name__}: {error}. Check the address, and that "
            "the variables with the storage's credentials are set here, such as AWS_ACCESS_KEY_ID."
        ) from error


def _without_password(url: str) -> str:
    """Return the repr of a URL without credentials."""
    return repr(re.sub(r"//[^/]*@", "//…@", url))


def storage_of_job(spec: KubeObject) -> StorageLocation | None:
    """Return the location of a job's folder by its spec; None for a job without ``--storage``."""
    for variable in (spec.get("trainer") or {}).get("env") or ():
        if variable["name"] == STORAGE_ENV and variable.get("value"):
            return StorageLocation(str(variable["value"]))
    return None
