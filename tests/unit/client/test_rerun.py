"""``rerun``: a job sent again, on an API server in process."""

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
    Object,
    Resource,
)
from jupyter_trainjob.bundle import archive, copying
from jupyter_trainjob.bundle.capture import Capture, Captured, capture_cell
from jupyter_trainjob.bundle.delivery import KEY_ENTRY, bundle_secret, deliver
from jupyter_trainjob.bundle.payload import Payload
from jupyter_trainjob.bundle.secret import read
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.handle import TrainJob
from jupyter_trainjob.client.options import LONGEST_NAME, Options
from jupyter_trainjob.client.rerun import base_name, differences, renamed
from jupyter_trainjob.client.submit import prepare_on, send
from jupyter_trainjob.cluster.apiserver.core import Core
from jupyter_trainjob.cluster.store import Store
from jupyter_trainjob.kube.client import Client

RUNTIME = yaml.safe_load((Path(__file__).parents[3] / "runtimes" / "plain.yaml").read_text())
IN_YAML: Object = {
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
    client = Client(Core(store, version="0.0.0"))
    client.create(CLUSTERTRAININGRUNTIMES, RUNTIME)
    yield client
    for thread in threading.enumerate():
        if thread.name == "trainjob-sweep":
            thread.join(timeout=60)
    store.close()


def sent(client: Client, *, retries: int = 0) -> TrainJob:
    """A cell's job whose values take two parts."""
    value = b"".join(number.to_bytes(4, "big") for number in range(400_000))
    captured = capture_cell("# %%trainjob digits\nlen(value)", {"value": value}, filename="Cell [1]", out=())
    options = Options(name="digits", runtime="plain", retries=retries, env={"A": "b"})
    return send(prepare_on(Connection("elsewhere", client, "default"), captured, options))


def all_of(client: Client, resource: Resource, job: str) -> list[Object]:
    return [
        each for each in client.list(resource, namespace="default").items if each["metadata"]["name"].startswith(job)
    ]


def test_the_bundle_is_the_same_under_another_name_with_another_key(client: Client) -> None:
    first = sent(client)
    again = first.rerun()
    assert again.name != first.name
    assert base_name(client.get(TRAINJOBS, again.name, namespace="default")) == "digits"
    old, new = (
        {each["metadata"]["name"].removeprefix(job.name): each for each in all_of(client, SECRETS, job.name)}
        for job in (first, again)
    )
    assert set(old) == set(new) == {"-bundle", "-captures-000", "-captures-001"}
    assert {each["metadata"]["ownerReferences"][0]["uid"] for each in new.values()} == {again.uid}
    for part in ("-captures-000", "-captures-001"):
        assert new[part]["data"] == old[part]["data"]
    assert new["-bundle"]["data"][KEY_ENTRY] != old["-bundle"]["data"][KEY_ENTRY]
    before, after = (copying.manifest(secrets["-bundle"]) for secrets in (old, new))
    assert before is not None
    assert after is not None
    assert (after.job, after.key) == (again.name, base64.b64decode(new["-bundle"]["data"][KEY_ENTRY]).hex())
    assert after._replace(job=before.job, key=before.key) == before


def changes_of(client: Client, job: TrainJob) -> tuple[dict[str, Any], set[str]]:
    """Return the values that a fork's ranks will find changed, and the files that lie in its Secret."""
    secret = client.get(SECRETS, bundle_secret(job.name), namespace="default")
    manifest = copying.manifest(secret)
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
    found: dict[str, Any] = {}
    for part, _ in manifest.changes:
        assert part.file in mounted
        found |= pickle.loads(files[part.file])
    assert {each for each in mounted if each.startswith("changes")} == {*files}
    return found, {*files}


def test_forks_of_forks_keep_what_is_changed_still_and_nothing_else(client: Client) -> None:
    captured = capture_cell("lr, depth, data", {"lr": 1, "depth": 2, "data": b""}, filename="Cell [1]")
    options = Options(name="digits", runtime="plain")
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


def test_the_environment_of_a_fork_is_what_was_typed(client: Client) -> None:
    captured = capture_cell("1", {}, filename="Cell [1]")
    options = Options(name="digits", runtime="plain", env={"OLD": "$(HOME) $$ $x"})
    job = send(prepare_on(Connection("elsewhere", client, "default"), captured, options))
    assert options_of(client, job.fork(env={"NEW": "$(PATH)"}).fork()) == {
        "OLD": "$$(HOME) $$$ $x",
        "NEW": "$$(PATH)",
    }


def options_of(client: Client, job: TrainJob) -> dict[str, str]:
    env = client.get(TRAINJOBS, job.name, namespace="default")["spec"]["trainer"]["env"]
    return {each["name"]: each["value"] for each in env if each["name"] in ("OLD", "NEW")}


def test_the_record_of_a_fork_has_the_options_of_its_bundle(client: Client) -> None:
    captured = capture_cell(
        "x = KEY", {"KEY": "v"}, filename="Cell [1]", out=["x"], secrets=read(["KEY"], {"KEY": "v"})
    )
    options = Options(name="digits", runtime="plain", secrets=["KEY"], out=["x"], deadline=60)
    job = send(prepare_on(Connection("elsewhere", client, "default"), captured, options))
    forked = job.fork(nodes=2, deadline=90).record["options"]
    assert forked == {"secrets": ["KEY"], "out": ["x"], "runtime": "plain", "nodes": 2, "deadline": 90}


def test_what_is_mounted_is_the_copy(client: Client) -> None:
    first = sent(client)
    again = first.rerun()
    specs = [client.get(TRAINJOBS, job.name, namespace="default")["spec"] for job in (first, again)]
    assert copying.mounted(specs[1]) == [name.replace(first.name, again.name) for name in copying.mounted(specs[0])]
    assert specs[0]["trainer"] == specs[1]["trainer"]


def test_a_copy_can_be_sent_again_when_the_first_is_gone(client: Client) -> None:
    first = sent(client)
    second = first.rerun()
    client.delete(TRAINJOBS, first.name, namespace="default")
    for secret in all_of(client, SECRETS, first.name):
        client.delete(SECRETS, secret["metadata"]["name"], namespace="default")
    assert second.rerun().name.startswith("digits-")


def test_where_the_bundle_is_gone_nothing_is_sent_and_the_error_says_what_to_do(client: Client) -> None:
    job = sent(client)
    client.delete(SECRETS, bundle_secret(job.name), namespace="default")
    with pytest.raises(errors.UsageError, match=rf"Secret {job.name}-bundle .* is gone.* Run its cell"):
        job.rerun()
    assert len(client.list(TRAINJOBS, namespace="default").items) == 1


def test_a_job_with_retries_brings_its_own_runtime_along(client: Client) -> None:
    first = sent(client, retries=3)
    again = first.rerun()
    (own,) = all_of(client, TRAININGRUNTIMES, again.name)
    assert own["spec"]["template"]["spec"]["failurePolicy"]["maxRestarts"] == 3
    assert own["metadata"]["ownerReferences"][0]["uid"] == again.uid
    stored = client.get(TRAINJOBS, again.name, namespace="default")
    assert stored["spec"]["runtimeRef"]["name"] == again.name


def test_a_job_in_yaml_is_sent_as_its_user_wrote_it(client: Client) -> None:
    stored = client.create(TRAINJOBS, {**IN_YAML, "spec": {**IN_YAML["spec"], "runtimePatches": None}})
    again = TrainJob(Connection("elsewhere", client, "default"), stored).rerun()
    made = client.get(TRAINJOBS, again.name, namespace="default")
    assert again.name.startswith("mnist-")
    assert made["metadata"]["labels"] == {"team": "vision"}
    assert made["metadata"]["annotations"].pop("jupyter-trainjob.org/sent")
    assert made["metadata"]["annotations"] == {"note": "mine", "jupyter-trainjob.org/rerun-of": "mnist"}
    assert not made["spec"].get("suspend")
    assert made["spec"]["trainer"] == stored["spec"]["trainer"]
    assert all_of(client, SECRETS, "") == []


def test_what_controllers_wrote_on_the_old_job_stays_there() -> None:
    before = copy.deepcopy(IN_YAML)
    made = renamed(IN_YAML, IN_YAML["spec"], name="mnist-bcdfg", own_runtime=False)
    assert made["spec"]["runtimePatches"] == [{"manager": "team.example/volumes"}]
    assert before == IN_YAML


@pytest.mark.parametrize(
    ("name", "annotations", "base"),
    [
        pytest.param("digits-x7k2p", {"jupyter-trainjob.org/variable": "digits"}, "digits", id="a cell's has a suffix"),
        pytest.param("mnist-x7k2p", {"jupyter-trainjob.org/rerun-of": "mnist"}, "mnist", id="a copy's has one as well"),
        pytest.param("train-mnist", {}, "train-mnist", id="a name in YAML is all the user's"),
        pytest.param("a" * 63, {}, "a" * LONGEST_NAME, id="what is too long to grow is cut"),
    ],
)
def test_names_of_copies_begin_as_the_first(name: str, annotations: dict[str, str], base: str) -> None:
    assert base_name({"metadata": {"name": name, "annotations": annotations}}) == base


def test_captures_in_files_are_shared_and_outlive_the_first_job(tmp_path: Path) -> None:
    payload = Payload.of(b"x" * 1_000, lambda: tmp_path, small=100)
    capture = Capture(payload, (Captured("x", "bytes", 1_000, "notebook"),), "x", "Cell [1]")
    packed = archive.archive(capture, key=b"k" * 32, job="a-bcdfg")
    folder = tmp_path / "captures" / "a-bcdfg"
    first = deliver(
        capture, job_archive=packed, key=b"k" * 32, name="a-bcdfg", namespace="n", runtime=RUNTIME, folder=folder
    )
    first.write_files()
    secrets = {secret["metadata"]["name"]: secret for secret in first.secrets}
    again = copying.copied(
        {"runtimePatches": [first.patch]}, find=secrets.get, old="a-bcdfg", new="a-hjkmn", namespace="n", key=b"n" * 32
    )
    again.files.write_files()
    first.remove_files()
    (file,) = (tmp_path / "captures" / "a-hjkmn").iterdir()
    assert file.read_bytes() == b"x" * 1_000
    assert str(file.parent) in str(again.spec)
    assert str(folder) not in str(again.spec)
    again.files.remove_files()
    assert not file.parent.exists()
    with pytest.raises(errors.UsageError, match=r"the folder .* gone"):
        again.files.write_files()


def test_an_archive_that_is_readdressed_is_what_would_have_been_packed() -> None:
    def files(data: bytes) -> dict[str, bytes]:
        with zipfile.ZipFile(io.BytesIO(data)) as archived:
            return {name: archived.read(name) for name in archived.namelist()}

    capture = Capture(Payload(), (), "1", "Cell [1]")
    old = archive.archive(capture, key=b"k" * 32, job="a", compiled=True)
    new = archive.archive(capture, key=b"n" * 32, job="b", compiled=True)
    assert files(archive.readdressed(old, key=b"n" * 32, job="b")) == files(new)


def test_a_rerun_has_the_same_seed_and_its_record_says_of_what_it_is_one(client: Client) -> None:
    first = sent(client)
    again = first.rerun()
    seeds = []
    for job in (first, again):
        manifest = copying.manifest(client.get(SECRETS, bundle_secret(job.name), namespace="default"))
        assert manifest is not None
        seeds.append(manifest.seed)
    assert seeds[0] == seeds[1] == first.record["seed"] is not None
    made = {key: value for key, value in again.record.items() if not key.startswith("rerun_")}
    assert made == first.record
    assert again.record["rerun_of"] == first.name
    mounts = client.get(TRAINJOBS, again.name, namespace="default")["spec"]["runtimePatches"]
    assert '"record"' not in str(mounts).replace("'", '"'), "no pod sees it"


def test_where_the_clusters_runtime_has_changed_the_job_gets_it_as_it_was(client: Client) -> None:
    first = sent(client)
    client.patch(CLUSTERTRAININGRUNTIMES, "plain", {"spec": {"mlPolicy": {"numNodes": 4}}})
    with pytest.warns(errors.RunsDifferently, match="The runtime plain has changed since; .* as it was"):
        again = first.rerun()
    (own,) = all_of(client, TRAININGRUNTIMES, again.name)
    assert own["spec"] == first.record["runtime"]["spec"]
    assert own["metadata"]["labels"]["trainer.kubeflow.org/framework"] == "plain"
    stored = client.get(TRAINJOBS, again.name, namespace="default")
    assert stored["spec"]["runtimeRef"]["kind"] == "TrainingRuntime"
    assert stored["spec"]["runtimeRef"]["name"] == again.name
    assert stored["metadata"]["annotations"]["jupyter-trainjob.org/runtime"] == "plain"
    assert all_of(client, TRAININGRUNTIMES, again.rerun().name), "and so does the next"


@pytest.mark.parametrize("retries", [0, 2])
def test_where_the_runtime_is_gone_the_record_has_it(client: Client, retries: int) -> None:
    first = sent(client, retries=retries)
    client.delete(CLUSTERTRAININGRUNTIMES, "plain")
    if retries:
        client.delete(TRAININGRUNTIMES, first.name, namespace="default")
        again = first.rerun()
    else:
        with pytest.warns(errors.RunsDifferently, match="The runtime plain is gone"):
            again = first.rerun()
    (own,) = all_of(client, TRAININGRUNTIMES, again.name)
    assert (own["spec"]["template"]["spec"].get("failurePolicy") or {}).get("maxRestarts", 0) == retries


def test_where_nothing_has_changed_the_runtime_is_the_clusters(client: Client) -> None:
    again = sent(client).rerun()
    assert all_of(client, TRAININGRUNTIMES, "") == []
    assert client.get(TRAINJOBS, again.name, namespace="default")["spec"]["runtimeRef"]["name"] == "plain"


THEN = {
    "python": "3.11.7",
    "packages": {"numpy": "2.4.6", "torch": "2.15.0+cpu", "own": ""},
    "git": {"commit": "a" * 40, "diff": ""},
    "options": {},
    "folder": "/work",
}


@pytest.mark.parametrize(
    ("changed", "interpreter", "told"),
    [
        pytest.param({}, None, [], id="nothing is different"),
        pytest.param({"python": "3.13.1"}, None, ["Python 3.13.1 (was 3.11.7)"], id="another Python"),
        pytest.param({"python": "3.13.1"}, "/other/python", [], id="the job has an interpreter of its own"),
        pytest.param({"packages": {"numpy": "3.0"}}, None, ["3.0 (was 2.4.6), torch is missing"], id="other packages"),
        pytest.param(
            {"packages": {"numpy": "2.4.6", "torch": "2.15.0"}}, None, [], id="how a version was built is no difference"
        ),
        pytest.param({"git": {"commit": "b" * 40, "diff": ""}}, None, ["commit bbbbbbbbbb (was"], id="another commit"),
        pytest.param({"git": {"commit": "a" * 40, "diff": "+1"}}, None, ["other changes"], id="files were edited"),
        pytest.param({"git": None}, None, ["cannot be told now"], id="nothing is known of the repository"),
        pytest.param({"options": {"files": ["a"]}, "git": None}, None, [], id="with --file the folder is not used"),
    ],
)
def test_what_is_not_as_it_was_is_told(changed: Object, interpreter: str | None, told: list[str]) -> None:
    then = {**THEN, "options": changed.get("options", {})}
    found = differences(then, {**THEN, **changed}, interpreter=interpreter)
    assert len(found) == len(told)
    assert all(part in text for part, text in zip(told, found, strict=True))
