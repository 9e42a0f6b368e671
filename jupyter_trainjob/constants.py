"""Names shared between components: labels, annotations, environment variables, paths, ports.

Names of Kubernetes, JobSet and Kubeflow Trainer are unchanged; those of this package are in the group
``jupyter-trainjob.org``. Each name is defined once. Names that the worker needs inside a pod, where the rest of the
package is not installed, are in `worker.protocol`.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"
"""Version of this package; pyproject.toml reads it from here."""

# Kubeflow Trainer v2.3 (pkg/constants/constants.go)
TRAINER_GROUP: Final = "trainer.kubeflow.org"
TRAINER_VERSION: Final = "v1alpha1"
MANAGED_BY_TRAINER: Final = "trainer.kubeflow.org/trainjob-controller"
ANCESTOR_LABEL: Final = "trainer.kubeflow.org/trainjob-ancestor-step"
FRAMEWORK_LABEL: Final = "trainer.kubeflow.org/framework"
SUPPORT_LABEL: Final = "trainer.kubeflow.org/support"
SUPPORT_DEPRECATED: Final = "deprecated"
ANCESTOR_TRAINER: Final = "trainer"
ANCESTOR_DATASET_INITIALIZER: Final = "dataset-initializer"
ANCESTOR_MODEL_INITIALIZER: Final = "model-initializer"
NODE_JOB: Final = "node"
LAUNCHER_JOB: Final = "launcher"
NODE_CONTAINER: Final = "node"
TRAINER_PORT: Final = 29500
FLUX_INSTALLER: Final = "flux-installer"
SNAPSHOT_SUFFIX: Final = "-runtime-snapshot"
SNAPSHOT_KEY: Final = "runtime"

# JobSet v0.12 (api/jobset/v1alpha2/jobset_types.go)
JOBSET_GROUP: Final = "jobset.x-k8s.io"
JOBSET_VERSION: Final = "v1alpha2"
JOBSET_NAME: Final = "jobset.sigs.k8s.io/jobset-name"
JOBSET_UID: Final = "jobset.sigs.k8s.io/jobset-uid"
JOBSET_REPLICATEDJOB_NAME: Final = "jobset.sigs.k8s.io/replicatedjob-name"
JOBSET_REPLICATEDJOB_REPLICAS: Final = "jobset.sigs.k8s.io/replicatedjob-replicas"
JOBSET_JOB_INDEX: Final = "jobset.sigs.k8s.io/job-index"
JOBSET_JOB_KEY: Final = "jobset.sigs.k8s.io/job-key"
JOBSET_GLOBAL_INDEX: Final = "jobset.sigs.k8s.io/job-global-index"
JOBSET_GLOBAL_REPLICAS: Final = "jobset.sigs.k8s.io/global-replicas"
JOBSET_RESTART_ATTEMPT: Final = "jobset.sigs.k8s.io/restart-attempt"
JOBSET_COORDINATOR: Final = "jobset.sigs.k8s.io/coordinator"
JOBSET_GROUP_NAME: Final = "jobset.sigs.k8s.io/group-name"
JOBSET_GROUP_REPLICAS: Final = "jobset.sigs.k8s.io/group-replicas"
JOBSET_JOB_GROUP_INDEX: Final = "jobset.sigs.k8s.io/job-group-index"
JOBSET_EXCLUSIVE_TOPOLOGY: Final = "alpha.jobset.sigs.k8s.io/exclusive-topology"
MANAGED_BY_JOBSET: Final = "jobset.sigs.k8s.io/jobset-controller"

# Kubernetes' Job controller
JOB_NAME: Final = "batch.kubernetes.io/job-name"
JOB_CONTROLLER_UID: Final = "batch.kubernetes.io/controller-uid"
JOB_COMPLETION_INDEX: Final = "batch.kubernetes.io/job-completion-index"

# Kueue v0.19 (pkg/controller/constants/constants.go, pkg/controller/jobs/trainjob/trainjob_controller.go)
KUEUE_GROUP: Final = "kueue.x-k8s.io"
STATUS_SERVER_PORT: Final = 10443
STATUS_SERVER_SERVICE: Final = "kubeflow-trainer-controller-manager"
"""Where Kubeflow Trainer's status server listens: the default port, and its Service."""
VOLCANO_QUEUE: Final = "scheduling.volcano.sh/queue-name"
KUEUE_QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"
KUEUE_JOB_UID_LABEL: Final = "kueue.x-k8s.io/job-uid"
KUEUE_PATCH_MANAGER: Final = "kueue.x-k8s.io/manager"
KUEUE_VISIBILITY_GROUP: Final = "visibility.kueue.x-k8s.io"

# Kubernetes' garbage collector
FOREGROUND_FINALIZER: Final = "foregroundDeletion"
ORPHAN_FINALIZER: Final = "orphan"

# This package
GROUP: Final = "jupyter-trainjob.org"
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "jupyter-trainjob"
PATCH_MANAGER: Final = f"{GROUP}/bundle"
"""Manager of our entry in ``spec.runtimePatches``."""
BUNDLE_LABEL: Final = f"{GROUP}/bundle"
"""On each Secret of a bundle: the name of the TrainJob that it belongs to."""
VARIABLE_ANNOTATION: Final = f"{GROUP}/variable"
"""On the TrainJob: the notebook variable that holds its handle."""
RUNTIME_ANNOTATION: Final = f"{GROUP}/runtime"
"""On a TrainJob that names its own copy of a runtime: the runtime that the user chose."""
RERUN_ANNOTATION: Final = f"{GROUP}/rerun-of"
"""On a TrainJob created by a rerun: the name of the original TrainJob."""
SENT_ANNOTATION: Final = f"{GROUP}/sent"
"""On the TrainJob: unix time of the submission and a random token, such as ``1767225600.250-9f86d081884c7d65``. With
the token the sender recognizes its TrainJob after a request without an answer."""
STOPPED_BY_ANNOTATION: Final = f"{GROUP}/stopped-by"
"""On a suspended TrainJob: who stopped it; a suspended job with it is Stopped."""
PYTHON_ANNOTATION: Final = f"{GROUP}/python"
"""On a pod of the embedded cluster: path of the interpreter whose folder is first on PATH."""
WORKDIR_ANNOTATION: Final = f"{GROUP}/working-dir"
"""On a pod of the embedded cluster: the folder that containers without a workingDir start in."""
PYTHON_VERSION_ANNOTATION: Final = f"{GROUP}/python-version"
"""On a runtime: the Python version of its image, such as ``3.12``."""
PACKAGES_ANNOTATION: Final = f"{GROUP}/packages"
"""On a runtime: the packages of its image by import name, such as ``torch==2.13.0 numpy==2.3``."""
SUBSTITUTION_CONDITION: Final = f"{GROUP}/paths-substituted"
"""True on a pod of the embedded cluster that has no namespaces: mountPaths and host names in commands are replaced."""

# In a notebook
MAGIC: Final = "%%trainjob"

# Inside a pod
BUNDLE_MOUNT: Final = "/trainjob"
JOB_ARCHIVE: Final = "job.pyz"
FOLDER_MOUNT: Final = "/trainjob-folder"
"""Mount path of the persistent folder that all ranks of a job share."""
FILES_MOUNT: Final = "/trainjob-files"
"""Mount path of large captured values if the folder is that of ``--storage``."""

# The embedded cluster
DRAFT_PREFIX: Final = ".sending-"
"""Prefix of temporary files that will be moved into a job's folder."""
EMBEDDED_CONTEXT: Final = "trainjob-local"
EMBEDDED_LOCATION: Final = "this computer"
STATE_DIR_ENV: Final = "TRAINJOB_STATE_DIR"
CONTEXT_ENV: Final = "TRAINJOB_CONTEXT"
NODE_NAME: Final = "this-computer"
DEFAULT_RUNTIME: Final = "torch-distributed"
DEFAULT_NAMESPACE: Final = "default"

INDEXED_PODS_LIMIT: Final = 100_000
"""Pods limit of an Indexed Job (Kubernetes' ``maxParallelismForIndexedJob`` and ``maxFailedIndexesForIndexedJob``)."""
NODE_PODS: Final = 250
"""Maximum of concurrent pods on this computer."""
LOCAL_RANKS: Final = 1_000
"""Maximum of ranks of a job on this computer: each is a process."""
