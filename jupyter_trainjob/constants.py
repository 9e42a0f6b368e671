"""Every name that crosses a boundary: labels, annotations, environment variables, paths, ports.

Kubernetes', JobSet's and Kubeflow Trainer's names are theirs, byte for byte; ours live under
``jupyter-trainjob.org``. A name is written here once, so that a reader can find all of its users; those that the
worker must know inside a pod, where it has nothing but itself, stand in `worker.protocol`.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"
"""Of this package; pyproject.toml reads it from here."""

# Kubeflow Trainer v2.3 (pkg/constants/constants.go)
TRAINER_GROUP: Final = "trainer.kubeflow.org"
TRAINER_VERSION: Final = "v1alpha1"
MANAGED_BY_TRAINER: Final = "trainer.kubeflow.org/trainjob-controller"
ANCESTOR_LABEL: Final = "trainer.kubeflow.org/trainjob-ancestor-step"
FRAMEWORK_LABEL: Final = "trainer.kubeflow.org/framework"
ANCESTOR_TRAINER: Final = "trainer"
ANCESTOR_DATASET_INITIALIZER: Final = "dataset-initializer"
ANCESTOR_MODEL_INITIALIZER: Final = "model-initializer"
NODE_JOB: Final = "node"
NODE_CONTAINER: Final = "node"
TRAINER_PORT: Final = 29500
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

# Kubernetes' garbage collector
FOREGROUND_FINALIZER: Final = "foregroundDeletion"
ORPHAN_FINALIZER: Final = "orphan"

# Ours
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
"""On a TrainJob that is another one sent again: the name of that one."""
SENT_ANNOTATION: Final = f"{GROUP}/sent"
"""On the TrainJob: a random word of who sent it, which knows it by that if no answer came."""
STOPPED_BY_ANNOTATION: Final = f"{GROUP}/stopped-by"
"""On a suspended TrainJob: who stopped it; its presence is what turns Suspended into Stopped."""
PYTHON_ANNOTATION: Final = f"{GROUP}/python"
"""On a pod of the embedded cluster: path of the interpreter that its commands find first on PATH."""
WORKDIR_ANNOTATION: Final = f"{GROUP}/working-dir"
"""On a pod of the embedded cluster: the folder that containers without a workingDir start in."""
PYTHON_VERSION_ANNOTATION: Final = f"{GROUP}/python-version"
"""On a runtime: the Python that its image has, such as ``3.12``."""
PACKAGES_ANNOTATION: Final = f"{GROUP}/packages"
"""On a runtime: what its image has, by the names that are imported, such as ``torch==2.13.0 numpy==2.3``."""
SUBSTITUTION_CONDITION: Final = f"{GROUP}/paths-substituted"
"""True on a pod of the embedded cluster that has no namespaces: mountPaths and host names are replaced in its words."""

# In a notebook
MAGIC: Final = "%%trainjob"

# Inside a pod
BUNDLE_MOUNT: Final = "/trainjob"
JOB_ARCHIVE: Final = "job.pyz"
FOLDER_MOUNT: Final = "/trainjob-folder"
"""Where the folder lies that all ranks of a job share, and that outlives them."""
FILES_MOUNT: Final = "/trainjob-files"
"""Where large captured values lie if the folder is one of ``--storage``."""

# The embedded cluster
DRAFT_PREFIX: Final = ".sending-"
"""How the names of files begin that are to become part of a job's folder."""
EMBEDDED_CONTEXT: Final = "trainjob-local"
STATE_DIR_ENV: Final = "TRAINJOB_STATE_DIR"
CONTEXT_ENV: Final = "TRAINJOB_CONTEXT"
NODE_NAME: Final = "this-computer"
DEFAULT_RUNTIME: Final = "torch-distributed"
DEFAULT_NAMESPACE: Final = "default"
