"""TrainJobStatus: the trainer's processes report progress and metrics to the controller's status server.

Runs in two phases, for all runtimes, where the feature gate of this name is on: the ML policy phase gives the trainer's
containers the server's URL, a token for this TrainJob alone, and the server's certificate authority; the build phase
returns the ConfigMap of that authority. `controller_process.status_server` is the server.

Upstream: https://github.com/kubeflow/trainer/blob/v2.3.0/pkg/runtime/framework/plugins/trainjobstatus/trainjobstatus.go
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from jupyter_trainjob.api.resources import CONFIGMAPS, TRAINJOBS, KubeObject
from jupyter_trainjob.constants import ANCESTOR_TRAINER
from jupyter_trainjob.controller.framework.info import Info
from jupyter_trainjob.controller.framework.list_upserts import upsert_env, upsert_mount, upsert_volume

CONFIG_MAP_SUFFIX: Final = "-tls-config"
CA_KEY: Final = "ca.crt"
VOLUME: Final = "kubeflow-trainer-token"
FOLDER: Final = "/var/run/secrets/kubeflow/trainer"
TOKEN_FILE: Final = "token"  # noqa: S105 - a name
TOKEN_SECONDS: Final = 3600


def status_path(namespace: str, name: str) -> str:
    """Return the path of a TrainJob's status on the status server.

    >>> status_path("team", "digits")
    '/apis/trainer.kubeflow.org/v1alpha1/namespaces/team/trainjobs/digits/status'
    """
    return TRAINJOBS.path(namespace, name, "status")


def token_audience(namespace: str, name: str) -> str:
    """Return the audience of the tokens that may write the status of a TrainJob.

    >>> token_audience("team", "digits")
    'trainer.kubeflow.org/v1alpha1/namespaces/team/trainjobs/digits/status'
    """
    return status_path(namespace, name).removeprefix("/apis/")


class TrainJobStatus:
    """Gives the trainer's containers access to the status server.

    `url` is the server's address without a path. `read_ca` returns its certificate authority as PEM, or raises
    `BuildError`; it is called in each build, as the authority may be renewed.
    """

    name = "TrainJobStatus"
    policies: frozenset[str] = frozenset()

    def __init__(self, *, url: str, read_ca: Callable[[], str]) -> None:
        self._url = url
        self._read_ca = read_ca

    def enforce_ml_policy(self, info: Info) -> None:
        """Give environment and volume to all regular containers of the trainer, if the runtime has one."""
        pods = info.pod_set_of(ANCESTOR_TRAINER)
        if pods is None:
            return
        namespace = info.train_job["metadata"]["namespace"]
        variables = [
            {"name": "KUBEFLOW_TRAINER_SERVER_URL", "value": f"{self._url}{status_path(namespace, info.name)}"},
            {"name": "KUBEFLOW_TRAINER_SERVER_CA_CERT", "value": f"{FOLDER}/{CA_KEY}"},
            {"name": "KUBEFLOW_TRAINER_SERVER_TOKEN", "value": f"{FOLDER}/{TOKEN_FILE}"},
        ]
        for container in pods.pod_spec.get("containers") or ():
            upsert_env(container, variables)
            upsert_mount(container, {"name": VOLUME, "mountPath": FOLDER, "readOnly": True})
        upsert_volume(pods.pod_spec, _volume(namespace, info.name))

    def sync_parallel_count(self, info: Info) -> None:
        """Do nothing: the counts stay as they are."""

    def build(self, info: Info) -> list[KubeObject]:
        """Return the ConfigMap with the server's certificate authority."""
        return [{**info.new_object(CONFIGMAPS, f"{info.name}{CONFIG_MAP_SUFFIX}"), "data": {CA_KEY: self._read_ca()}}]


def _volume(namespace: str, name: str) -> KubeObject:
    token = {"audience": token_audience(namespace, name), "expirationSeconds": TOKEN_SECONDS, "path": TOKEN_FILE}
    ca = {"name": f"{name}{CONFIG_MAP_SUFFIX}", "items": [{"key": CA_KEY, "path": CA_KEY}]}
    return {"name": VOLUME, "projected": {"sources": [{"serviceAccountToken": token}, {"configMap": ca}]}}
