"""Runtimes shipped with the package and found in Jupyter's data folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_trainjob import constants, errors
from jupyter_trainjob.api.admission import defaults, validation
from jupyter_trainjob.api.kinds import runtimes
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, KubeObject
from tests.paths import ROOT

CHECKOUT = ROOT / "runtimes"


def text(name: str, image: str = "python") -> str:
    pod = f"{{containers: [{{name: node, image: {image}}}]}}"
    jobs = f"[{{name: node, template: {{spec: {{template: {{spec: {pod}}}}}}}}}]"
    return (
        "apiVersion: trainer.kubeflow.org/v1alpha1\nkind: ClusterTrainingRuntime\n"
        f"metadata: {{name: {name}}}\nspec: {{template: {{spec: {{replicatedJobs: {jobs}}}}}}}\n"
    )


@pytest.mark.parametrize(
    "runtime", runtimes.load_runtimes([CHECKOUT]), ids=lambda runtime: str(runtime["metadata"]["name"])
)
def test_shipped_runtime_is_valid_and_listed_by_the_kubeflow_sdk(runtime: KubeObject) -> None:
    assert runtime["metadata"]["labels"][constants.FRAMEWORK_LABEL]
    assert runtime["spec"]["mlPolicy"]
    (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    assert job["template"]["metadata"]["labels"][constants.ANCESTOR_LABEL] == "trainer"
    (container,) = job["template"]["spec"]["template"]["spec"]["containers"]
    assert container["name"] == "node"
    assert container["image"]
    assert "cpu" in (container.get("resources") or {}).get("limits", {"cpu": 1})
    assert (
        validation.validate(CLUSTERTRAININGRUNTIMES, defaults.apply_defaults(CLUSTERTRAININGRUNTIMES, runtime), None)
        == []
    )


def test_default_runtime_is_shipped_and_fails_with_its_first_failed_rank() -> None:
    shipped = {runtime["metadata"]["name"]: runtime for runtime in runtimes.load_runtimes([CHECKOUT])}
    assert set(shipped) == {constants.DEFAULT_RUNTIME, "plain", "jax-distributed", "xgboost-distributed"}
    (job,) = shipped[constants.DEFAULT_RUNTIME]["spec"]["template"]["spec"]["replicatedJobs"]
    spec = job["template"]["spec"]
    assert (spec["backoffLimit"], spec["template"]["spec"]["restartPolicy"]) == (0, "Never")


def test_runtime_of_the_first_folder_is_used(tmp_path: Path) -> None:
    for folder, files in (("user", {"mine": "a", "both": "b"}), ("system", {"both": "c", "theirs": "d"})):
        (tmp_path / folder).mkdir()
        for name, image in files.items():
            (tmp_path / folder / f"{name}.yaml").write_text(text(name, image))
    images = {
        runtime["metadata"]["name"]: runtime["spec"]["template"]["spec"]["replicatedJobs"][0]["template"]["spec"][
            "template"
        ]["spec"]["containers"][0]["image"]
        for runtime in runtimes.load_runtimes([tmp_path / "user", tmp_path / "system", tmp_path / "missing"])
    }
    assert images == {"both": "b", "mine": "a", "theirs": "d"}


def test_runtime_folders_are_those_of_jupyter_and_of_a_checkout() -> None:
    folders = runtimes.runtime_folders()
    assert folders[-1] == CHECKOUT
    assert all(folder.parts[-2:] == ("trainjob", "runtimes") for folder in folders[:-1])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param("a: [", "it cannot be read", id="no YAML"),
        pytest.param("- a", "it is not a ClusterTrainingRuntime", id="no object"),
        pytest.param("kind: TrainJob", "it is not a ClusterTrainingRuntime", id="another kind"),
        pytest.param(text("x").replace("v1alpha1", "v9"), "its apiVersion must be", id="another version"),
        pytest.param(text("x").replace("metadata", "meta"), "it has no metadata.name", id="no name"),
        pytest.param(
            text("x").replace("replicatedJobs: [", "replicatedJobs: [").replace("name: node, template", "template"),
            r"spec.template.spec.replicatedJobs\[0\].name: Required value",
            id="a field that is missing",
        ),
    ],
)
def test_invalid_file_is_named_with_its_error(tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / "broken.yaml").write_text(content)
    with pytest.raises(errors.UsageError, match=f"broken.yaml is not a runtime: {problem}"):
        runtimes.load_runtimes([tmp_path])
