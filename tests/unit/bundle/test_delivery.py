"""Delivery of a bundle: Secrets, mounts, command, environment and size limits."""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import random
import re
import stat
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob.bundle.archive import build_archive
from jupyter_trainjob.bundle.capture import Capture, CapturedValue, capture_cell
from jupyter_trainjob.bundle.delivery import KEY_ENTRY, Delivery, build_delivery, bundle_secret
from jupyter_trainjob.bundle.serialization.payload import INLINE_LIMIT, PART_SIZE, Payload
from jupyter_trainjob.errors import UsageError
from jupyter_trainjob.worker.manifest import Manifest

KEY = b"k" * 32
TORCH: dict[str, Any] = {
    "metadata": {"name": "torch-distributed", "labels": {"trainer.kubeflow.org/framework": "torch"}},
    "spec": {
        "template": {
            "spec": {
                "replicatedJobs": [
                    {"name": "data", "template": {"metadata": {}}},
                    {
                        "name": "node",
                        "template": {
                            "metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}}
                        },
                    },
                ]
            }
        }
    },
}


def captured(size: int = 10, source: str = "x = '🚀 $HOME `ls`'", folder: Path | None = None) -> Capture:
    payload = Payload.from_bytes(random.Random(size).randbytes(size), lambda: folder)
    values = (CapturedValue("small", "int", 4, "notebook"), CapturedValue("big", "numpy.ndarray", size - 4, "notebook"))
    return Capture(payload=payload, names=values, source=source, filename="Cell [12]", out=("a",))


def delivered(capture: Capture, **options: Any) -> Delivery:
    job_archive = build_archive(capture, key=KEY, job="job-abcde")
    fixed: dict[str, Any] = {"name": "job-abcde", "namespace": "team", "runtime": TORCH}
    return build_delivery(capture, job_archive=job_archive, key=KEY, **{**fixed, **options})


def pod(delivery: Delivery) -> dict[str, Any]:
    (job,) = delivery.patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    assert job["name"] == "node"
    template: dict[str, Any] = job["template"]["spec"]["template"]
    return template


def test_same_capture_gives_the_same_small_archive() -> None:
    first, second = (build_archive(captured(), key=KEY, job="j") for _ in range(2))
    assert first == second
    assert len(first) < 128 * 2**10, "an eighth of what a Secret holds"
    compiled = build_archive(captured(), key=KEY, job="j", compiled=True)
    assert len(compiled) < 512 * 2**10, "half of what a Secret holds"


def test_archive_has_a_manifest_of_the_job() -> None:
    capture = captured(2_500_000)
    with zipfile.ZipFile(io.BytesIO(build_archive(capture, key=KEY, job="j"))) as file:
        assert file.testzip() is None
        manifest = Manifest.from_json(file.read("manifest.json"))
        files = set(file.namelist())
    assert {"__main__.py", "_trainjob_worker/entrypoint.py", "cloudpickle/cloudpickle.py"} <= files
    assert (manifest.source, manifest.filename, manifest.out) == (capture.source, "Cell [12]", ("a",))
    assert manifest.python == f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert manifest.versions["cloudpickle"]
    assert [(part.file, part.size) for part in manifest.parts] == [
        ("captures-000", PART_SIZE),
        ("captures-001", PART_SIZE),
        ("captures-002", 500_000),
    ]
    assert manifest.parts[2].sha256 == hashlib.sha256(capture.payload.open().read()[2_000_000:]).hexdigest()


def test_secrets_have_the_archive_the_key_and_the_parts() -> None:
    capture = captured(2_500_000)
    delivery = delivered(capture)
    data = {s["metadata"]["name"]: {k: base64.b64decode(v) for k, v in s["data"].items()} for s in delivery.secrets}
    assert list(data) == [
        "job-abcde-bundle",
        "job-abcde-captures-000",
        "job-abcde-captures-001",
        "job-abcde-captures-002",
    ]
    assert data[bundle_secret("job-abcde")][KEY_ENTRY] == KEY
    parts = [content for secret in list(data)[1:] for content in data[secret].values()]
    assert b"".join(parts) == capture.payload.open().read()
    for secret in delivery.secrets:
        assert sum(map(len, data[secret["metadata"]["name"]].values())) <= 1_000_000 + len(KEY)
        assert secret["metadata"]["namespace"] == "team"
        assert secret["metadata"]["labels"]["jupyter-trainjob.org/bundle"] == "job-abcde"


def test_patch_mounts_everything_except_the_key() -> None:
    template = pod(delivered(captured(), python="/env/bin/python", working_dir="/home/me"))
    (volume,) = template["spec"]["volumes"]
    items = [item["path"] for source in volume["projected"]["sources"] for item in source["secret"]["items"]]
    assert items == ["job.pyz", "captures-000"]
    (container,) = template["spec"]["containers"]
    assert container == {
        "name": "node",
        "volumeMounts": [{"name": "trainjob", "mountPath": "/trainjob", "readOnly": True}],
    }
    assert template["metadata"]["annotations"] == {
        "jupyter-trainjob.org/python": "/env/bin/python",
        "jupyter-trainjob.org/working-dir": "/home/me",
    }


def test_without_a_folder_and_values_there_are_no_annotations_and_parts() -> None:
    delivery = delivered(capture_cell("1", {}, filename="Cell [1]"))
    assert "metadata" not in pod(delivery)
    assert len(delivery.secrets) == 1


@pytest.mark.parametrize(("framework", "launcher"), [("torch", "torchrun"), ("plain", "python"), (None, "python")])
def test_command_depends_on_the_framework(framework: str | None, launcher: str) -> None:
    labels = {"trainer.kubeflow.org/framework": framework} if framework else None
    runtime = {**TORCH, "metadata": {"name": "r", "labels": labels}}
    assert delivered(captured(), runtime=runtime).command == [launcher, "/trainjob/job.pyz"]


def expanded(value: str) -> str:
    """Expand variables as kubelet does if all are defined."""
    return re.sub(r"\$(\$|\(\w+\))", lambda match: "$" if match.group(1) == "$" else "EXPANDED", value)


@pytest.mark.parametrize("value", ["", "$HOME", "$(HOME)", "$$", "$$(HOME)", "a$", "$$$(X)$", "`ls` \\ 'x' 🚀", "$()"])
def test_values_of_environment_variables_are_escaped(value: str) -> None:
    (variable,) = delivered(captured(), env={"X": value}).env
    assert variable["name"] == "X"
    assert expanded(variable["value"]) == value


def test_large_captures_without_a_shared_folder_are_rejected_by_name() -> None:
    with pytest.raises(UsageError) as caught:
        delivered(captured(INLINE_LIMIT + 1))
    message = str(caught.value)
    assert "The largest: big (numpy.ndarray, 16.8 MB), small (int, 0.0 MB)" in message
    assert "load large data inside the job" in message


def test_large_captures_are_a_file_in_a_shared_folder(tmp_path: Path) -> None:
    capture = captured(INLINE_LIMIT + 1, folder=tmp_path)
    with capture.payload.open() as file:
        content = file.read()
    folder = tmp_path / "captures" / "job-abcde"
    delivery = delivered(capture, folder=folder)
    delivery.write_files()
    assert [path.name for path in folder.iterdir()] == ["captures"]
    assert (folder / "captures").read_bytes() == content
    assert stat.S_IMODE((folder / "captures").stat().st_mode) == 0o600
    assert len(delivery.secrets) == 1
    spec = pod(delivery)["spec"]
    assert spec["volumes"][1]["hostPath"]["path"] == str(folder)
    assert spec["containers"][0]["volumeMounts"][1]["mountPath"] == "/trainjob-folder"
    assert delivery.env == [
        {"name": "TRAINJOB_FOLDER", "value": "/trainjob-folder"},
        {"name": "TRAINJOB_CAPTURES", "value": "/trainjob-folder"},
    ]
    delivery.remove_files()
    assert not folder.exists()


def test_cell_of_a_megabyte_is_rejected() -> None:
    text = repr(random.Random(1).randbytes(2_000_000).hex())
    assert ast.parse(text)
    with pytest.raises(UsageError, match="The code is too large"):
        delivered(captured(source=text))
