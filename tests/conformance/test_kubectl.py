"""Commands of a real kubectl have the same effect on each server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest
import yaml

from jupyter_trainjob.api.resources import (
    EVENTS,
    JOBS,
    JOBSETS,
    PODS,
    TRAINJOBS,
    KubeObject,
    Resource,
    owner_reference,
)

from .server import Server, job, jobset, pod, trainjob

Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]
pytestmark = pytest.mark.parametrize("server", ["embedded-http", "kubernetes"], indirect=True)
KINDS = pytest.mark.parametrize(
    ("resource", "obj"),
    [(TRAINJOBS, trainjob("x")), (JOBSETS, jobset("x")), (JOBS, job("x")), (PODS, pod("x"))],
    ids=["TrainJob", "JobSet", "Job", "Pod"],
)


def manifest(resource: Resource, obj: KubeObject) -> str:
    text: str = yaml.safe_dump({"apiVersion": resource.api_version, "kind": resource.kind, **obj})
    return text


@KINDS
def test_create_get_and_delete(server: Server, kubectl: Kubectl, resource: Resource, obj: KubeObject) -> None:
    created = kubectl("create", "--filename=-", stdin=manifest(resource, obj))
    assert created.stdout.strip() == f"{_kubectl_name(resource)}/x created"
    table = kubectl("get", resource.plural).stdout.splitlines()
    assert table[0].split()[0] == "NAME"
    assert table[1].split()[0] == "x"
    assert kubectl("get", resource.plural, "--output=name").stdout.strip() == f"{_kubectl_name(resource)}/x"
    read = json.loads(kubectl("get", resource.singular, "x", "--output=json").stdout)
    assert read["spec"] == server.get(resource, "x")["spec"]
    deleted = kubectl("delete", resource.singular, "x", "--cascade=background", "--wait=true", "--timeout=60s")
    assert deleted.stdout.startswith(f'{_kubectl_name(resource)} "x" deleted')
    assert server.client.find(resource, "x", namespace=server.namespace) is None


def _kubectl_name(resource: Resource) -> str:
    return f"{resource.singular}.{resource.group}" if resource.group else resource.singular


def test_create_refuses_a_misspelt_field(server: Server, kubectl: Kubectl) -> None:
    done = kubectl("create", "--filename=-", stdin=manifest(TRAINJOBS, trainjob("t", trainr={})), check=False)
    assert done.returncode == 1
    assert 'unknown field "spec.trainr"' in done.stderr


def test_create_shows_the_reason_of_a_refusal(server: Server, kubectl: Kubectl) -> None:
    done = kubectl("create", "--filename=-", stdin=manifest(TRAINJOBS, trainjob("t", managedBy="me")), check=False)
    assert done.returncode == 1
    assert 'The TrainJob "t" is invalid' in done.stderr
    assert "spec.managedBy" in done.stderr


def test_apply_on_the_clients_side_creates_and_changes(server: Server, kubectl: Kubectl) -> None:
    assert kubectl("apply", "--filename=-", stdin=manifest(TRAINJOBS, trainjob("t"))).stdout.endswith("created\n")
    suspended = manifest(TRAINJOBS, trainjob("t", suspend=True))
    assert kubectl("apply", "--filename=-", stdin=suspended).stdout.endswith("configured\n")
    assert kubectl("apply", "--filename=-", stdin=suspended).stdout.endswith("unchanged\n")
    assert server.get(TRAINJOBS, "t")["spec"]["suspend"] is True


def test_apply_of_a_kubernetes_kind_uses_a_strategic_merge(server: Server, kubectl: Kubectl) -> None:
    labelled = {**pod("p"), "metadata": {"name": "p", "labels": {"a": "b"}}}
    for obj, verb in ((pod("p"), "created"), (labelled, "configured")):
        assert kubectl("apply", "--filename=-", stdin=manifest(PODS, obj)).stdout.strip() == f"pod/p {verb}"
    assert server.get(PODS, "p")["metadata"]["labels"] == {"a": "b"}


def test_labels_annotations_and_patches_of_every_type(server: Server, kubectl: Kubectl) -> None:
    server.create(TRAINJOBS, trainjob("t"))
    kubectl("label", "trainjob", "t", "a=b", "c=d")
    kubectl("label", "trainjob", "t", "c-")
    kubectl("annotate", "trainjob", "t", "x.org/y=z")
    kubectl("patch", "trainjob", "t", "--type=merge", "--patch", '{"spec":{"suspend":true}}')
    kubectl(
        "patch", "trainjob", "t", "--type=json", "--patch", '[{"op":"add","path":"/metadata/labels/e","value":"f"}]'
    )
    read = server.get(TRAINJOBS, "t")
    assert read["metadata"]["labels"] == {"a": "b", "e": "f"}
    assert read["metadata"]["annotations"] == {"x.org/y": "z"}
    assert read["spec"]["suspend"] is True


def test_get_by_selector_and_in_all_namespaces(server: Server, kubectl: Kubectl) -> None:
    for name in ("a", "b"):
        server.create(PODS, pod(name, labels={"name": name, "of": server.namespace}))
    assert kubectl("get", "pods", "--selector=name in (b,c)", "--output=name").stdout == "pod/b\n"
    assert kubectl("get", "po", "--field-selector=metadata.name=a", "--output=name").stdout == "pod/a\n"
    table = kubectl("get", "pods", "--all-namespaces", f"--selector=of={server.namespace}", "--output=wide").stdout
    assert [line.split()[:2] for line in table.splitlines()[1:]] == [[server.namespace, "a"], [server.namespace, "b"]]


def test_explain_shows_the_fields_of_a_trainjob(server: Server, kubectl: Kubectl) -> None:
    shown = kubectl("explain", "trainjob.spec.trainer", "--recursive").stdout
    assert {"numNodes\t<integer>", "resourcesPerNode\t<Object>"} <= {line.strip() for line in shown.splitlines()}
    assert "restartPolicy\t<string>" in kubectl("explain", "pod.spec").stdout
    assert "resourceVersion\t<string>" in kubectl("explain", "trainjob.metadata").stdout


def test_debug_ends_without_a_panic(server: Server, kubectl: Kubectl) -> None:
    server.create(PODS, pod("p"))
    done = kubectl("debug", "p", "--image=none", "--quiet", check=False)
    assert "panic" not in done.stderr
    if server.name == "embedded-http":
        assert "ephemeral containers are disabled for this cluster" in done.stderr


def test_missing_objects_have_kubectls_message(server: Server, kubectl: Kubectl) -> None:
    done = kubectl("get", "trainjob", "absent", check=False)
    assert done.stderr.strip() == ('Error from server (NotFound): trainjobs.trainer.kubeflow.org "absent" not found')
    assert "doesn't have a resource type" in kubectl("get", "nonsense", check=False).stderr


def test_describe_shows_an_object_with_its_events(server: Server, kubectl: Kubectl) -> None:
    created = server.create(TRAINJOBS, trainjob("t"))
    about = {
        key: value for key, value in owner_reference(created).items() if key in {"apiVersion", "kind", "name", "uid"}
    }
    event = {
        "metadata": {"name": "t.1"},
        "involvedObject": {**about, "namespace": server.namespace},
        "reason": "Happened",
        "message": "Something was seen",
        "type": "Normal",
        "count": 1,
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
    }
    server.create(EVENTS, event)
    described = kubectl("describe", "trainjob", "t").stdout
    assert "torch-distributed" in described
    assert "Something was seen" in described
    assert "Something was seen" in kubectl("get", "events").stdout


def test_delete_waits_for_finalizers(server: Server, kubectl: Kubectl) -> None:
    server.create(TRAINJOBS, {**trainjob("t"), "metadata": {"name": "t", "finalizers": ["x.org/one"]}})
    done = kubectl("delete", "trainjob", "t", "--cascade=background", "--timeout=1s", check=False)
    assert "timed out waiting" in done.stderr
    server.patch(TRAINJOBS, "t", {"metadata": {"finalizers": None}})
    assert server.client.find(TRAINJOBS, "t", namespace=server.namespace) is None


def test_wait_for_a_condition(server: Server, kubectl: Kubectl) -> None:
    server.create(TRAINJOBS, trainjob("t"))
    condition = {
        "type": "Complete",
        "status": "True",
        "reason": "AllJobsCompleted",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    server.patch(TRAINJOBS, "t", {"status": {"conditions": [condition]}}, subresource="status")
    kubectl("wait", "trainjob", "t", "--for=condition=Complete", "--timeout=60s")


def test_get_watch_follows(server: Server, kubectl: Kubectl) -> None:
    server.create(TRAINJOBS, trainjob("t"))
    output = kubectl("get", "trainjobs", "--watch", "--output=name", "--request-timeout=1s", check=False).stdout
    assert output.splitlines()[0] == "trainjob.trainer.kubeflow.org/t"


def test_server_side_apply_is_refused_or_works_but_never_half(server: Server, kubectl: Kubectl) -> None:
    done = kubectl("apply", "--server-side", "--filename=-", stdin=manifest(TRAINJOBS, trainjob("t")), check=False)
    exists = server.client.find(TRAINJOBS, "t", namespace=server.namespace) is not None
    assert exists is (done.returncode == 0)
    if server.name == "embedded-http":
        assert "Server-side apply not available on the server" in done.stderr


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("configmap x --from-literal=a=b", "configmap"),
        ("secret generic x --from-literal=a=b", "secret"),
        ("job x --image=none -- echo hello", "job"),
    ],
    ids=["a config map", "a secret", "a job"],
)
def test_create_from_the_command_line(server: Server, kubectl: Kubectl, command: str, kind: str) -> None:
    assert kubectl("create", *command.split(" ")).stdout.endswith("created\n")
    read = json.loads(kubectl("get", kind, "x", "--output=json").stdout)
    if kind == "job":
        (container,) = read["spec"]["template"]["spec"]["containers"]
        assert (container["image"], container["command"]) == ("none", ["echo", "hello"])
    else:
        assert read["data"] == {"a": "b" if kind == "configmap" else "Yg=="}


def test_run_from_the_command_line(server: Server, kubectl: Kubectl) -> None:
    kubectl("run", "x", "--image=none", "--restart=Never", "--env=A=b", "--command", "--", "echo", "hello")
    (container,) = server.get(PODS, "x")["spec"]["containers"]
    assert container["command"] == ["echo", "hello"]
    assert container["env"] == [{"name": "A", "value": "b"}]


def test_create_and_delete_a_namespace_from_the_command_line(server: Server, kubectl: Kubectl) -> None:
    name = f"{server.namespace}-more"
    assert kubectl("create", "namespace", name).stdout == f"namespace/{name} created\n"
    assert kubectl("get", "namespace", name, "--output=jsonpath={.status.phase}").stdout == "Active"
    kubectl("delete", "namespace", name, "--wait=false")
