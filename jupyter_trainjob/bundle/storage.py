"""Where a job's folder is to lie: ``--storage pvc://CLAIM[/path]`` or ``--storage URL``.

In: what was typed. Out: what `delivery` mounts, and the one address that everybody reads: `protocol.STORAGE_ENV` of the
job, which is that storage with the job's name at its end. A claim is mounted by all pods; what lies behind a URL is
kept equal with a folder of each pod by the worker.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.errors import StorageError, TrainJobError, UsageError
from jupyter_trainjob.worker.protocol import STORAGE_ENV
from jupyter_trainjob.worker.stores import NoStore

CLAIM_SCHEME: Final = "pvc"
SCHEMES: Final = (
    CLAIM_SCHEME,
    *("file", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "hf"),
    *("hdfs", "webhdfs", "ftp", "sftp", "ssh", "smb"),
)
"""Where files can be written to."""
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
    if ":" in rest.partition("/")[0].rpartition("@")[0]:
        raise UsageError(
            f"{_plain(text)} has a password in it, which would stand in the job for all to read. Leave it out, and "
            "send it with --secret, in the variables that the storage reads: for s3:// --secret AWS_ACCESS_KEY_ID "
            "--secret AWS_SECRET_ACCESS_KEY. Nothing was sent."
        )
    if scheme == "memory":
        raise UsageError(f"{text!r}: what lies in the memory of one process is not there for others. Write {EXAMPLES}.")
    if scheme not in SCHEMES:
        why = "over HTTP files can be read, not stored" if scheme in ("http", "https") else f"{scheme}:// is not known"
        raise UsageError(f"{_plain(text)} is no storage: {why}. There is {', '.join(SCHEMES)}. Write {EXAMPLES}.")
    parts = rest.strip("/").split("/")
    if {"", ".", ".."} & set(parts):
        raise UsageError(f"{text!r} is no storage: its path has an empty part, or one of dots. Write {EXAMPLES}.")
    if scheme == "file" and not rest.startswith("/"):
        raise UsageError(f"{text!r} is no storage: the path must begin at the root, as in file:///{rest}.")
    if scheme == CLAIM_SCHEME and not _CLAIM.fullmatch(parts[0]):
        raise UsageError(f"{text!r} is no storage: {parts[0]!r} cannot be the name of a PersistentVolumeClaim.")
    return Storage(f"{scheme}://{rest.rstrip('/')}")


@contextlib.contextmanager
def explained(url: str) -> Iterator[None]:
    """Turn what the library of a store raises into `errors.StorageError`, but for a file that is not there."""
    try:
        yield
    except (TrainJobError, FileNotFoundError):
        raise
    except NoStore as error:
        raise UsageError(f"{url} cannot be reached: {error}. Install it, such as s3fs or gcsfs.") from error
    except Exception as error:
        raise StorageError(
            f"{url} cannot be reached from this notebook: {type(error).__name__}: {error}. Check the address, and that "
            "the variables with the storage's credentials are set here, such as AWS_ACCESS_KEY_ID."
        ) from error


def _plain(url: str) -> str:
    """Return a URL without the password in it."""
    return repr(re.sub(r"//[^/]*@", "//…@", url))


def of(spec: Object) -> Storage | None:
    """Return where the folder of the job with this spec lies; None for one that was sent without ``--storage``."""
    for each in (spec.get("trainer") or {}).get("env") or ():
        if each["name"] == STORAGE_ENV and each.get("value"):
            return Storage(str(each["value"]))
    return None
