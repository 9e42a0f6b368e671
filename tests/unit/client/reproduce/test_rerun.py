"""Reruns and forks of jobs on an in-process API server."""

from __future__ import annotations

import base64
import copy
import io
import pickle
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    SECRETS,
    TRAININGRUNTIMES,
    TRAINJOBS,
    KubeObject,
    Resource,
)
from jupyter_trainjob.bundle import archive, bundle_copy
from jupyter_trainjob.bundle.capture import Capture, CapturedValue, capture_cell
from jupyter_trainjob.bundle.delivery import KEY_ENTRY, build_delivery, bundle_secret
from jupyter_trainjob.bundle.job_secrets import read_values
from jupyter_trainjob.bundle.serialization.payload import Payload
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.reproduce.rerun import base_name, find_differences, renamed
from jupyter_trainjob.client.spec.job_names import LONGEST_NAME
from jupyter_trainjob.client.spec.options import job_options
from jupyter_trainjob.client.submit import prepare_on, send
from jupyter_trainjob.client.trainjob import TrainJob
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.constants import MANAGED_BY, MANAGED_BY_LABEL
from jupyter_trainjob.kube.client import Client
from tests.paths import ROOT
from tests.waiting import patience

pytestmark = pytest.mark.slow

RUNTIME = yaml.safe_load((ROOT / "runtimes" / "plain.yaml").read_text())
IN_YAML: KubeObject = {
    "apiVersion": TRAINJOBS.api_version,
    "kind": TRAINJOBS.kind,
    "metadata": {
        "name": "mnist",
        "namespace": "default",
        "labels": {"team": "vision"},
        "annotations": {"note": "mine", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
    },
    "spec": {
        "runtimeRef": {"name": "plain"},
        "suspend": True,
        "trainer": {"command": ["python", "-c", "1"]},
        "runtimePatches": [
            {"manager": "team.example/volumes", "time": "2026-01-01T00:00:00Z"},
            {"manager": "kueue.x-k8s.io/manager"},
        ],
    },
}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    store = Store(tmp_path / "store.db")
    client = Client(ApiServer(store, version="0.0.0"))
    client.create(CLUSTERTRAININGRUNTIMES, RUNTIME)
    yield client
    for thread in threading.enumerate():
        if thread.name == "trainjob-sweep":
            thread.join(timeout=patience(60))
    store.close()


def sent(client: Client, *, retries: int = 0) -> TrainJob:
    """Send a cell whose values take two parts."""
    value = b"".join(number.to_bytes(4, "big") for number in range(400_000))
    captured = capture_cell("# %%trainjob digits\nlen(value)", {"value": value}, filename="Cell [1]", out=())
    options = job_options(name="digits", runtime="plain", retries=retries, env={"A": "b"})
    return send(prepare_on(Connection("elsewhere", client, "default"), captured, options))


def objects_of(client: Client, resource: Resource, job: str) -> list[KubeObject]:
    return [obj for obj in client.list(resource, namespace="default").items if obj["metadata"]["name"].startswith(job)]


def test_rerun_has_the_same_bundle_with_another_name_and_key(client: Client) -> None:
    first = sent(client)
    again = first.rerun()
    assert again.name != first.name
    assert base_name(client.get(TRAINJOBS, again.name, namespace="default")) == "digits"
    old, new = (
        {secret["metadata"]["name"].removeprefix(job.name): secret for secret in objects_of(client, SECRETS, job.name)}
        for job in (first, again)
    )
    assert set(old) == set(new) == {"-bundle", "-captures-000", "-captures-001"}
    assert {secret["metadata"]["ownerReferences"][0]["uid"] for secret in new.values()} == {again.uid}
    for part in ("-captures-000", "-captures-001"):
        assert new[part]["data"] == old[part]["data"]
    assert new["-bundle"]["data"][KEY_ENTRY] != old["-bundle"]["data"][KEY_ENTRY]
    before, after = (bundle_copy.manifest_of_secret(secrets["-bundle"]) for secrets in (old, new))
    assert before is not None
    assert after is not None
    assert (after.job, after.key) == (again.name, base64.b64decode(new["-bundle"]["data"][KEY_ENTRY]).hex())
    assert after._replace(job=before.job, key=before.key) == before


def changes_of(client: Client, job: TrainJob) -> tuple[dict[str, Any], set[str]]:
    """Return the changed values of a fork, and the names of the files in its Secret."""
    secret = client.get(SECRETS, bundle_secret(job.name), namespace="default")
    manifest = bundle_copy.manifest_of_secret(secret)
    assert manifest is not None
    files = {name: base64.b64decode(data) for name, data in secret["data"].items() if name.startswith("changes")}
    mounted = {
        item["key"]
        for patch in client.get(TRAINJOBS, job.name, namespace="default")["spec"]["runtimePatches"]
        for volume in patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"][0]["template"]["spec"][
            "template"
        ]["spec"]["volumes"]
        for source in volume["projected"]["sources"]
        for item in source["secret"]["items"]
    }
    values: dict[str, Any] = {}
    for part, _ in manifest.changes:
        assert part.file in mounted
        values |= pickle.loads(files[part.file])
    assert {file for file in mounted if file.startswith("changes")} == {*files}
    return values, {*files}


def test_fork_of_a_fork_keeps_only_the_changes_still_in_use(client: Client) -> None:
    captured = capture_cell("lr, depth, data", {"lr": 1, "depth": 2, "data": b""}, filename="Cell [1]")
    options = job_options(name="digits", runtime="plain")
    job = send(prepare_on(Connection("elsewhere", client, "default"), captured, options))
    job = job.fork(lr=10, depth=20)
    job = job.fork(lr=11)
    assert changes_of(client, job) == ({"lr": 11, "depth": 20}, {"changes-0", "changes-1"})
    job = job.fork(lr=12)
    assert changes_of(client, job) == ({"lr": 12, "depth": 20}, {"changes-0", "changes-1"})
    job = job.fork(lr=13, depth=23)
    assert changes_of(client, job) == ({"lr": 13, "depth": 23}, {"changes-0"})
    assert changes_of(client, job.fork(nodes=2)) == ({"lr": 13, "depth": 23}, {"changes-0"})
    job = job.fork(data=b"x" * 300_000)
    with pytest.raises(errors.UsageError, match=r"too large for a fork: .* with those of 2 earlier forks"):
        job.fork(lr=b"y" * 300_000)
    assert changes_of(client, job.fork(data=b"y" * 300_000))[0]["data"][:1] == b"y"


def test_environment_of_a_fork_is_not_expanded(client: Client) -> None:
    captured = capture_cell("1", {}, filename="Cell [1]")
    options = job_options(name="digits", runtime="plain", env={"OLD": "$(HOME) $$ $x"})
    job = send(prepare_on(Connection("elsewhere", client, "default"), captured, options))
    assert options_of(client, job.fork(env={"NEW": "$(PATH)"}).fork()) == {
        "OLD": "$$(HOME) $$$ $x",
        "NEW": "$$(PATH)",
    }


def options_of(client: Client, job: TrainJob) -> dict[str, str]:
    env = client.get(TRAINJOBS, job.name, namespace="default")["spec"]["trainer"]["env"]
    return {variable["name"]: variable["value"] for variable in env if variable["name"] in ("OLD", "NEW")}


def test_copies_keep_the_queue_labels(client: Client) -> None:
    job = sent(client)
    queue = {"kueue.x-k8s.io/queue-name": "team", "kueue.x-k8s.io/priority-class": "high"}
    labelled = client.patch(TRAINJOBS, job.name, {"metadata": {"labels": queue}}, namespace="default")
    job = TrainJob(Connection("elsewhere", client, "default"), labelled)
    for again in (job.rerun(), job.fork(env={"A": "c"})):
        assert client.get(TRAINJOBS, again.name, namespace="default")["metadata"]["labels"] == {
            **queue,
            MANAGED_BY_LABEL: MANAGED_BY,
        }


def test_record_of_a_fork_has_the_options_of_its_bundle(client: Client) -> None:
    captured = capture_cell(
        "x = KEY", {"KEY": "v"}, filename="Cell [1]", out=["x"], secrets=read_values(["KEY"], {"KEY": "v"})
    )
    options = job_options(name="digits", runtime="plain", secrets=["KEY"], out=["x"], deadline=60)
    job = send(prepare_on(Connection("elsewhere", client, "default"), captured, options))
    forked = job.fork(nodes=2, deadline=90).record["options"]
    assert forked == {"secrets": ["KEY"], "out": ["x"], "runtime": "plain", "nodes": 2, "deadline": 90}


def test_rerun_mounts_its_own_secrets(client: Client) -> None:
    first = sent(client)
    again = first.rerun()
    specs = [client.get(TRAINJOBS, job.name, namespace="default")["spec"] for job in (first, again)]
    assert bundle_copy.mounted_secrets(specs[1]) == [
        name.replace(first.name, again.name) for name in bundle_copy.mounted_secrets(specs[0])
    ]
    assert specs[0]["trainer"] == specs[1]["trainer"]


def test_copy_can_be_rerun_after_the_first_job_is_deleted(client: Client) -> None:
    first = sent(client)
    second = first.rerun()
    client.delete(TRAINJOBS, first.name, namespace="default")
    for secret in objects_of(client, SECRETS, first.name):
        client.delete(SECRETS, secret["metadata"]["name"], namespace="default")
    assert second.rerun().name.startswith("digits-")


def test_deleted_bundle_raises_with_a_remedy_and_sends_nothing(client: Client) -> None:
    job = sent(client)
    client.delete(SECRETS, bundle_secret(job.name), namespace="default")
    with pytest.raises(errors.UsageError, match=rf"Secret {job.name}-bundle was deleted.* Run its cell"):
        job.rerun()
    assert len(client.list(TRAINJOBS, namespace="default").items) == 1


def test_rerun_of_a_job_with_retries_has_its_own_runtime(client: Client) -> None:
    first = sent(client, retries=3)
    again = first.rerun()
    (own,) = objects_of(client, TRAININGRUNTIMES, again.name)
    assert own["spec"]["template"]["spec"]["failurePolicy"]["maxRestarts"] == 3
    assert own["metadata"]["ownerReferences"][0]["uid"] == again.uid
    stored = client.get(TRAINJOBS, again.name, namespace="default")
    assert stored["spec"]["runtimeRef"]["name"] == again.name


def test_rerun_of_a_yaml_job_sends_the_original_fields(client: Client) -> None:
    stored = client.create(TRAINJOBS, {**IN_YAML, "spec": {**IN_YAML["spec"], "runtimePatches": None}})
    again = TrainJob(Connection("elsewhere", client, "default"), stored).rerun()
    created = client.get(TRAINJOBS, again.name, namespace="default")
    assert again.name.startswith("mnist-")
    assert created["metadata"]["labels"] == {"team": "vision"}
    assert created["metadata"]["annotations"].pop("jupyter-trainjob.org/sent")
    assert created["metadata"]["annotations"] == {"note": "mine", "jupyter-trainjob.org/rerun-of": "mnist"}
    assert not created["spec"].get("suspend")
    assert created["spec"]["trainer"] == stored["spec"]["trainer"]
    assert objects_of(client, SECRETS, "") == []


def test_fields_written_by_controllers_are_not_copied() -> None:
    before = copy.deepcopy(IN_YAML)
    copied = renamed(IN_YAML, IN_YAML["spec"], name="mnist-bcdfg", own_runtime=False)
    assert copied["spec"]["runtimePatches"] == [{"manager": "team.example/volumes"}]
    assert before == IN_YAML


@pytest.mark.parametrize(
    ("name", "annotations", "base"),
    [
        pytest.param("digits-x7k2p", {"jupyter-trainjob.org/variable": "digits"}, "digits", id="a cell's has a suffix"),
        pytest.param("mnist-x7k2p", {"jupyter-trainjob.org/rerun-of": "mnist"}, "mnist", id="a copy's has one as well"),
        pytest.param("train-mnist", {}, "train-mnist", id="a name in YAML is all the user's"),
        pytest.param("a" * 63, {}, "a" * LONGEST_NAME, id="a name too long for a suffix is truncated"),
    ],
)
def test_base_name(name: str, annotations: dict[str, str], base: str) -> None:
    assert base_name({"metadata": {"name": name, "annotations": annotations}}) == base


def test_captures_in_files_are_shared_and_outlive_the_first_job(tmp_path: Path) -> None:
    payload = Payload.from_bytes(b"x" * 1_000, lambda: tmp_path, inline_size=100)
    capture = Capture(payload, (CapturedValue("x", "bytes", 1_000, "notebook"),), "x", "Cell [1]")
    packed = archive.build_archive(capture, key=b"k" * 32, job="a-bcdfg")
    folder = tmp_path / "captures" / "a-bcdfg"
    first = build_delivery(
        capture, job_archive=packed, key=b"k" * 32, name="a-bcdfg", namespace="n", runtime=RUNTIME, folder=folder
    )
    first.write_files()
    secrets = {secret["metadata"]["name"]: secret for secret in first.secrets}
    again = bundle_copy.copy_bundle(
        {"runtimePatches": [first.patch]},
        find_secret=secrets.get,
        old="a-bcdfg",
        new="a-hjkmn",
        namespace="n",
        key=b"n" * 32,
    )
    again.files.write_files()
    first.remove_files()
    (file,) = (tmp_path / "captures" / "a-hjkmn").iterdir()
    assert file.read_bytes() == b"x" * 1_000
    assert str(file.parent) in str(again.spec)
    assert str(folder) not in str(again.spec)
    again.files.remove_files()
    assert not file.parent.exists()
    with pytest.raises(errors.UsageError, match=r"its folder .* was deleted"):
        again.files.write_files()


def test_readdressed_archive_equals_a_new_archive() -> None:
    def files(data: bytes) -> dict[str, bytes]:
        with zipfile.ZipFile(io.BytesIO(data)) as archived:
            return {name: archived.read(name) for name in archived.namelist()}

    capture = Capture(Payload(), (), "1", "Cell [1]")
    old = archive.build_archive(capture, key=b"k" * 32, job="a", compiled=True)
    new = archive.build_archive(capture, key=b"n" * 32, job="b", compiled=True)
    assert files(archive.readdress_archive(old, key=b"n" * 32, job="b")) == files(new)


def test_rerun_has_the_same_seed_and_its_record_names_the_original(client: Client) -> None:
    first = sent(client)
    again = first.rerun()
    seeds = []
    for job in (first, again):
        manifest = bundle_copy.manifest_of_secret(client.get(SECRETS, bundle_secret(job.name), namespace="default"))
        assert manifest is not None
        seeds.append(manifest.seed)
    assert seeds[0] == seeds[1] == first.record["seed"] is not None
    record = {key: value for key, value in again.record.items() if not key.startswith("rerun_")}
    assert record == first.record
    assert again.record["rerun_of"] == first.name
    mounts = client.get(TRAINJOBS, again.name, namespace="default")["spec"]["runtimePatches"]
    assert '"record"' not in str(mounts).replace("'", '"'), "no pod sees it"


def test_changed_runtime_is_restored_from_the_record(client: Client) -> None:
    first = sent(client)
    client.patch(CLUSTERTRAININGRUNTIMES, "plain", {"spec": {"mlPolicy": {"numNodes": 4}}})
    with pytest.warns(errors.RunsDifferently, match="The runtime plain has changed since; .* of the earlier version"):
        again = first.rerun()
    (own,) = objects_of(client, TRAININGRUNTIMES, again.name)
    assert own["spec"] == first.record["runtime"]["spec"]
    assert own["metadata"]["labels"]["trainer.kubeflow.org/framework"] == "plain"
    stored = client.get(TRAINJOBS, again.name, namespace="default")
    assert stored["spec"]["runtimeRef"]["kind"] == "TrainingRuntime"
    assert stored["spec"]["runtimeRef"]["name"] == again.name
    assert stored["metadata"]["annotations"]["jupyter-trainjob.org/runtime"] == "plain"
    assert objects_of(client, TRAININGRUNTIMES, again.rerun().name), "and so does the next"


@pytest.mark.parametrize("retries", [0, 2])
def test_deleted_runtime_is_restored_from_the_record(client: Client, retries: int) -> None:
    first = sent(client, retries=retries)
    client.delete(CLUSTERTRAININGRUNTIMES, "plain")
    if retries:
        client.delete(TRAININGRUNTIMES, first.name, namespace="default")
        again = first.rerun()
    else:
        with pytest.warns(errors.RunsDifferently, match="The runtime plain is gone"):
            again = first.rerun()
    (own,) = objects_of(client, TRAININGRUNTIMES, again.name)
    assert (own["spec"]["template"]["spec"].get("failurePolicy") or {}).get("maxRestarts", 0) == retries


def test_unchanged_runtime_is_not_copied(client: Client) -> None:
    again = sent(client).rerun()
    assert objects_of(client, TRAININGRUNTIMES, "") == []
    assert client.get(TRAINJOBS, again.name, namespace="default")["spec"]["runtimeRef"]["name"] == "plain"


THEN = {
    "python": "3.11.7",
    "packages": {"numpy": "2.4.6", "torch": "2.15.0+cpu", "own": ""},
    "git": {"commit": "a" * 40, "diff": ""},
    "options": {},
    "folder": "/work",
}


@pytest.mark.parametrize(
    ("changed", "interpreter", "expected"),
    [
        pytest.param({}, None, [], id="no difference"),
        pytest.param({"python": "3.13.1"}, None, ["Python 3.13.1 (was 3.11.7)"], id="another Python"),
        pytest.param({"python": "3.13.1"}, "/other/python", [], id="the job has its own interpreter"),
        pytest.param({"packages": {"numpy": "3.0"}}, None, ["3.0 (was 2.4.6), torch is missing"], id="other packages"),
        pytest.param(
            {"packages": {"numpy": "2.4.6", "torch": "2.15.0"}}, None, [], id="how a version was built is no difference"
        ),
        pytest.param({"git": {"commit": "b" * 40, "diff": ""}}, None, ["commit bbbbbbbbbb (was"], id="another commit"),
        pytest.param(
            {"git": {"commit": "a" * 40, "diff": "+1"}}, None, ["different uncommitted changes"], id="files were edited"
        ),
        pytest.param({"git": None}, None, ["is unknown now"], id="unknown repository"),
        pytest.param({"options": {"files": ["a"]}, "git": None}, None, [], id="with --file the folder is not used"),
    ],
)
def test_find_differences(changed: KubeObject, interpreter: str | None, expected: list[str]) -> None:
    then = {**THEN, "options": changed.get("options", {})}
    differences = find_differences(then, {**THEN, **changed}, interpreter=interpreter)
    assert len(differences) == len(expected)
    assert all(part in text for part, text in zip(expected, differences, strict=True))
