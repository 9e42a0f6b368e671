"""Which storage is meant, and what a job with one mounts, also when it is sent again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob.bundle import copying
from jupyter_trainjob.bundle.archive import archive
from jupyter_trainjob.bundle.capture import Capture, capture_cell
from jupyter_trainjob.bundle.delivery import deliver
from jupyter_trainjob.bundle.payload import PART_SIZE, Payload
from jupyter_trainjob.bundle.storage import Storage, explained, of, parse
from jupyter_trainjob.errors import StorageError, UsageError
from jupyter_trainjob.worker.stores import NoStore, Store

KEY = b"k" * 32
MEANT: dict[str, tuple[str, str, str | None, str]] = {
    "the root of a claim": ("pvc://disk", "pvc://disk", "disk", ""),
    "a path in a claim": ("pvc://disk/team/a/", "pvc://disk/team/a", "disk", "team/a"),
    "a bucket": ("s3://bucket/runs/", "s3://bucket/runs", None, "runs"),
    "a folder of this computer": ("file:///data", "file:///data", None, "data"),
}
REFUSED: dict[str, tuple[str, str]] = {
    "a path without a scheme": ("/data", "is no storage: write pvc://CLAIM"),
    "memory": ("memory://a", "is not there for others"),
    "a way out of the claim": ("pvc://disk/../other", "one of dots"),
    "a claim that cannot be": ("pvc://Disk_1", "'Disk_1' cannot be the name of a PersistentVolumeClaim"),
    "a file that is none of this computer": ("file://data", "as in file:///data"),
    "a password": ("s3://key:hunter2@bucket/a", "'s3://…@bucket/a' has a password in it.*--secret AWS_ACCESS_KEY_ID"),
    "a password for a server": ("ftp://me:hunter2@host/a", "has a password in it"),
    "a page": ("https://host/a", "files can be read, not stored. There is pvc, file, s3"),
    "a slip": ("s4://bucket/a", "s4:// is not known. There is pvc"),
    "what Kubernetes would fill in": ("s3://$(SECRET)/a", "is no storage"),
}


@pytest.mark.parametrize(("text", "url", "claim", "path"), MEANT.values(), ids=MEANT.keys())
def test_meant(text: str, url: str, claim: str | None, path: str) -> None:
    found = parse(text)
    assert (found.url, found.claim) == (url, claim)
    assert found.of_job("a-1").above() == found
    if claim:
        assert found.path == path


@pytest.mark.parametrize(("text", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why.replace("$", r"\$").replace("(", r"\(")) as raised:
        parse(text)
    assert "hunter2" not in str(raised.value)


def test_what_a_library_of_a_store_raises_is_told_in_words() -> None:
    with pytest.raises(StorageError, match="s3://a cannot be reached from this notebook: RuntimeError: no endpoint"):
        with explained("s3://a"):
            raise RuntimeError("no endpoint")
    with pytest.raises(UsageError, match=r"no s3fs.*Install"), explained("s3://a"):
        raise NoStore("no s3fs")
    with pytest.raises(FileNotFoundError), explained("s3://a"):
        raise FileNotFoundError


def sent(storage: str, folder: Path | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    capture = capture_cell("1", {}, filename="Cell [1]")
    delivery = deliver(
        capture,
        job_archive=archive(capture, key=KEY, job="a-1"),
        key=KEY,
        name="a-1",
        namespace="team",
        runtime={"metadata": {}, "spec": {"template": {"spec": {}}}},
        folder=folder,
        storage=parse(storage).of_job("a-1"),
    )
    spec = {"trainer": {"env": delivery.env}, "runtimePatches": [delivery.patch]}
    copied = copying.copied(
        spec,
        find=lambda name: next(each for each in delivery.secrets if each["metadata"]["name"] == name),
        old="a-1",
        new="b-2",
        namespace="team",
        key=KEY,
    )
    return spec, copied.spec


def mounts(spec: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    (job,) = spec["runtimePatches"][0]["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    pod = job["template"]["spec"]["template"]["spec"]
    volumes = {each.pop("name"): each for each in [dict(volume) for volume in pod["volumes"]]}
    return {
        each["mountPath"]: (volumes[each["name"]], each.get("subPath")) for each in pod["containers"][0]["volumeMounts"]
    }


def test_a_claim_is_the_folder_and_each_job_has_its_own_path_in_it() -> None:
    first, again = sent("pvc://disk/team")
    claim = {"persistentVolumeClaim": {"claimName": "disk"}}
    assert mounts(first)["/trainjob-folder"] == (claim, "team/a-1")
    assert mounts(again)["/trainjob-folder"] == (claim, "team/b-2")
    assert (of(first), of(again)) == (Storage("pvc://disk/team/a-1"), Storage("pvc://disk/team/b-2"))


def test_behind_a_url_pods_have_a_folder_of_their_own_and_that_of_this_computer_beside_it(tmp_path: Path) -> None:
    first, again = sent("file:///data", tmp_path / "a-1")
    assert mounts(first)["/trainjob-folder"] == ({"emptyDir": {}}, None)
    assert mounts(first)["/trainjob-files"][0]["hostPath"]["path"] == str(tmp_path / "a-1")
    assert mounts(again)["/trainjob-files"][0]["hostPath"]["path"] == str(tmp_path / "b-2")
    assert of(again) == Storage("file:///data/b-2")


def test_large_values_go_through_the_url_where_pods_see_no_file_of_this_computer(tmp_path: Path) -> None:
    large = Payload.of(b"x" * (PART_SIZE + 1), lambda: tmp_path / "drafts")
    capture = Capture(payload=large, names=(), source="1", filename="Cell [1]")
    delivery = deliver(
        capture,
        job_archive=archive(capture, key=KEY, job="a-1"),
        key=KEY,
        name="a-1",
        namespace="team",
        runtime={"metadata": {}, "spec": {"template": {"spec": {}}}},
        storage=parse(f"file://{tmp_path}/bucket").of_job("a-1"),
    )
    assert {"name": "TRAINJOB_CAPTURES", "value": "/trainjob-folder"} in delivery.env
    delivery.write_files()
    stored = Store(f"file://{tmp_path}/bucket/a-1")
    assert [(name, file.size) for name, file in stored.files().items()] == [("captures", PART_SIZE + 1)]
    assert list((tmp_path / "drafts").iterdir()) == []

    links = copying.LinkedFiles(stored=(stored.url, f"file://{tmp_path}/bucket/b-2"))
    links.write_files()
    assert list(Store(f"file://{tmp_path}/bucket/b-2").files()) == ["captures"]
    links.remove_files()
    delivery.remove_files()
    assert list((tmp_path / "bucket").iterdir()) == []


def test_a_job_without_storage_has_none() -> None:
    assert of({"trainer": {"env": [{"name": "A", "value": "b"}]}}) is None
    assert of({}) is None
