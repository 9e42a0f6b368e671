"""Export a job as its ``%%trainjob`` cell, as YAML, or as code for the Kubeflow SDK.

The functions turn the stored TrainJob and the manifest of its bundle, which has the cell's source and recipes of its
captured values, into text.
"""

from __future__ import annotations

from jupyter_trainjob import errors
from jupyter_trainjob.api.kinds.trainjobs import sender_patches
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.schemas.omitempty import omit_empty
from jupyter_trainjob.bundle import bundle_copy, credential_scan
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.diagnosis import kueue
from jupyter_trainjob.client.export import magic_line, program_source
from jupyter_trainjob.client.spec.options import option_words, stored_options
from jupyter_trainjob.client.spec.stored_job import StoredJob
from jupyter_trainjob.constants import SENT_ANNOTATION
from jupyter_trainjob.worker.manifest import CELL


def as_magic(connection: Connection, trainjob: KubeObject) -> str:
    """Return the cell of a job, with its options in the magic line.

    Raises `errors.UsageError` for a job that was not sent from a cell, or whose bundle was deleted.
    """
    job = StoredJob(connection, trainjob)
    name, manifest = job.name, job.manifest
    if manifest is None:
        raise errors.UsageError(
            f"{name} was not sent by a cell: its program is in its YAML. Copy it as YAML, or send it again with "
            "rerun()."
        )
    if manifest.kind != CELL:
        raise errors.UsageError(
            f"{name} was not sent by a cell but by submit() or @trainjob, as a call of {manifest.filename} with values "
            "that cannot be written as text. Send it again with rerun(), or copy it as code for the SDK."
        )
    options = stored_options(job)
    # Credentials in `env` are left out of the notebook and sent as secrets.
    credentials = credential_scan.credential_kinds(options["env"])
    options["env"] = {name: value for name, value in options["env"].items() if name not in credentials}
    options["secrets"] = [*options["secrets"], *credentials]
    return f"{magic_line.magic_line(option_words(options))}\n{program_source.cell_source(manifest)}"


def as_yaml(trainjob: KubeObject) -> str:
    """Return a TrainJob for ``kubectl create -f``, without the fields that the server sets."""
    import yaml

    metadata = trainjob["metadata"]
    own_metadata = {key: metadata[key] for key in ("name", "namespace", "labels", "annotations") if metadata.get(key)}
    if "annotations" in own_metadata:
        own_metadata["annotations"] = {
            key: value for key, value in own_metadata["annotations"].items() if key != SENT_ANNOTATION
        }
    spec = {**trainjob["spec"], "runtimePatches": sender_patches(trainjob["spec"])}
    if not spec.get("suspend") or kueue.is_managed(trainjob):
        spec.pop("suspend", None)
    submitted = omit_empty(
        {"apiVersion": trainjob["apiVersion"], "kind": trainjob["kind"], "metadata": own_metadata, "spec": spec}
    )
    comment = ""
    if mounted := bundle_copy.mounted_secrets(trainjob["spec"]):
        comment = (
            f"# The program and its values are in the Secrets that this mounts: {', '.join(mounted)}.\n"
            f"# They are deleted together with the TrainJob {metadata['name']}.\n"
        )
    return comment + str(yaml.safe_dump(submitted, sort_keys=False, allow_unicode=True))
