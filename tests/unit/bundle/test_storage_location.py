"""Parsing of ``--storage``, and the volumes of jobs and copies of jobs with a storage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob.bundle import bundle_copy
from jupyter_trainjob.bundle.archive import build_archive
from jupyter_trainjob.bundle.capture import Capture, capture_cell
from jupyter_trainjob.bundle.delivery import build_delivery
from jupyter_trainjob.bundle.serialization.payload import PART_SIZE, Payload
from jupyter_trainjob.bundle.storage_location import StorageLocation, parse_storage, storage_of_job, translate_errors
from jupyter_trainjob.errors import StorageError, UsageError
from jupyter_trainjob.worker.storage.fsspec_store import FsspecStore, NoStoreLibrary

KEY = b"k" * 32
MEANT: dict[str, tuple[str, str, str | None, str]] = {
    "the root of a claim": ("pvc://disk", "pvc://disk", "disk", ""),
    "a path in a claim": ("pvc://disk/team/a/", "pvc://disk/team/a", "disk", "team/a"),
    "a bucket": ("s3://bucket/runs/", "s3://bucket/runs", None, "runs"),
    "a folder of this computer": ("file:///data", "file:///data", None, "data"),
}
REFUSED: dict[str, tuple[str, str]] = {
    "a path without a scheme": ("data", "is not a storage location: write pvc://CLAIM"),
    "a path of this computer": ("/tmp/foo", "A folder of this computer is file:///tmp/foo"),
    "memory": ("memory://a", "cannot be shared"),
    "a way out of the claim": ("pvc://disk/../other", "or ..."),
    "a claim that cannot be": ("pvc://Disk_1", "'Disk_1' cannot be the name of a PersistentVolumeClaim"),
    "a file that is none of this computer": ("file://data", "as in file:///data"),
    "a password": ("s3://key:hunter2@bucket/a", "'s3://…@bucket/a' contains a password.*--secret AWS_ACCESS_KEY_ID"),
    "a password for a server": ("ftp://me:hunter2@host/a", "contains a password"),
    "a page": ("https://host/a", "files cannot be written over HTTP. Supported: pvc, file, s3"),
    "a slip": ("s4://bucket/a", "s4:// is not known. Supported: pvc"),
    "what Kubernetes would fill in": ("s3://$(SECRET)/a", "is not a storage location"),
}


@pytest.mark.parametrize(("text", "url", "claim", "path"), MEANT.values(), ids=MEANT.keys())
def test_parse_storage(text: str, url: str, claim: str | None, path: str) -> None:
    location = parse_storage(text)
    assert (location.url, location.claim) == (url, claim)
    assert location.for_job("a-1").parent() == location
    if claim:
        assert location.path == path


@pytest.mark.parametrize(("text", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_invalid_storage_is_rejected(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why.replace("$", r"\$").replace("(", r"\(")) as raised:
        parse_storage(text)
    assert "hunter2" not in str(raised.value)


def test_errors_of_a_store_library_are_translated() -> None:
    with pytest.raises(StorageError, match="s3://a cannot be reached from this notebook: RuntimeError: no endpoint"):
        with translate_errors("s3://a"):
            raise RuntimeError("no endpoint")
    with pytest.raises(UsageError, match=r"no s3fs.*Install"), translate_errors("s3://a"):
        raise NoStoreLibrary("no s3fs")
    with pytest.raises(FileNotFoundError), translate_errors("s3://a"):
        raise FileNotFoundError


def sent(storage: str, folder: Path | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    capture = capture_cell("1", {}, filename="Cell [1]")
    delivery = build_delivery(
        capture,
        job_archive=build_archive(capture, key=KEY, job="a-1"),
        key=KEY,
        name="a-1",
        namespace="team",
        runtime={"metadata": {}, "spec": {"template": {"spec": {}}}},
        folder=folder,
        storage=parse_storage(storage).for_job("a-1"),
    )
    spec = {"trainer": {"env": delivery.env}, "runtimePatches": [delivery.patch]}
    copied = bundle_copy.copy_bundle(
        spec,
        find_secret=lambda name: next(secret for secret in delivery.secrets if secret["metadata"]["name"] == name),
        old="a-1",
        new="b-2",
        namespace="team",
        key=KEY,
    )
    return spec, copied.spec


def mounts(spec: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    (job,) = spec["runtimePatches"][0]["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    pod = job["template"]["spec"]["template"]["spec"]
    volumes = {volume.pop("name"): volume for volume in [dict(volume) for volume in pod["volumes"]]}
    return {
        mount["mountPath"]: (volumes[mount["name"]], mount.get("subPath"))
        for mount in pod["containers"][0]["volumeMounts"]
    }


def test_claim_is_mounted_with_a_path_per_job() -> None:
    first, again = sent("pvc://disk/team")
    claim = {"persistentVolumeClaim": {"claimName": "disk"}}
    assert mounts(first)["/trainjob-folder"] == (claim, "team/a-1")
    assert mounts(again)["/trainjob-folder"] == (claim, "team/b-2")
    assert (storage_of_job(first), storage_of_job(again)) == (
        StorageLocation("pvc://disk/team/a-1"),
        StorageLocation("pvc://disk/team/b-2"),
    )


def test_pods_of_a_url_storage_mount_an_empty_dir_and_the_local_folder(tmp_path: Path) -> None:
    first, again = sent("file:///data", tmp_path / "a-1")
    assert mounts(first)["/trainjob-folder"] == ({"emptyDir": {}}, None)
    assert mounts(first)["/trainjob-files"][0]["hostPath"]["path"] == str(tmp_path / "a-1")
    assert mounts(again)["/trainjob-files"][0]["hostPath"]["path"] == str(tmp_path / "b-2")
    assert storage_of_job(again) == StorageLocation("file:///data/b-2")


def test_large_values_are_stored_at_the_url_if_pods_cannot_read_local_files(tmp_path: Path) -> None:
    large = Payload.from_bytes(b"x" * (PART_SIZE + 1), lambda: tmp_path / "drafts")
    capture = Capture(payload=large, names=(), source="1", filename="Cell [1]")
    delivery = build_delivery(
        capture,
        job_archive=build_archive(capture, key=KEY, job="a-1"),
        key=KEY,
        name="a-1",
        namespace="team",
        runtime={"metadata": {}, "spec": {"template": {"spec": {}}}},
        storage=parse_storage(f"file://{tmp_path}/bucket").for_job("a-1"),
    )
    assert {"name": "TRAINJOB_CAPTURES", "value": "/trainjob-folder"} in delivery.env
    delivery.write_files()
    stored = FsspecStore(f"file://{tmp_path}/bucket/a-1")
    assert [(name, file.size) for name, file in stored.files().items()] == [("captures", PART_SIZE + 1)]
    assert list((tmp_path / "drafts").iterdir()) == []

    links = bundle_copy.LinkedFiles(stored=(stored.url, f"file://{tmp_path}/bucket/b-2"))
    links.write_files()
    assert list(FsspecStore(f"file://{tmp_path}/bucket/b-2").files()) == ["captures"]
    links.remove_files()
    delivery.remove_files()
    assert list((tmp_path / "bucket").iterdir()) == []


def test_job_without_storage() -> None:
    assert storage_of_job({"trainer": {"env": [{"name": "A", "value": "b"}]}}) is None
    assert storage_of_job({}) is None
