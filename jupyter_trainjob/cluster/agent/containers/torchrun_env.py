"""Build the environment that torchrun would set, for programs that start without it.

In: the program with paths as in the pod. Out: the environment of torchrun's single worker, or why the program must
start cold: it uses several workers or other options of torchrun, or sets a variable that Python, torch or a library
reads when it is loaded, which has already happened in a forked child.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from jupyter_trainjob.cluster.agent.containers.shim_spec import Program
from jupyter_trainjob.constants import BUNDLE_MOUNT, JOB_ARCHIVE

ARCHIVE = f"{BUNDLE_MOUNT}/{JOB_ARCHIVE}"
OPTIONS = frozenset(("PET_NNODES", "PET_NPROC_PER_NODE", "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_MASTER_PORT"))

READ_AT_LOAD = re.compile(
    r"PYTHON(?!UNBUFFERED$)\w*|(LD|DYLD|GLIBC|MALLOC|JEMALLOC|TORCH|TORCHINDUCTOR|PYTORCH|ATEN|C10|CUBLAS|CUDNN"
    r"|MKL|KMP|GOMP|OPENBLAS|BLIS|VECLIB|NPY|NUMPY|LC|HIP|ROCR?|HSA|XPU|ONEDNN|DNNL|TQDM)_\w*"
    r"|OMP_(?!NUM_THREADS$)\w*|CUDA_(?!VISIBLE_DEVICES$)\w*|LANG|LANGUAGE|TZ|PATH|HOME|TORCH"
)


def warm_start_refusal(program: Program, base: Mapping[str, str]) -> str:
    """Return why `program` cannot be forked from a server with the environment `base`; empty if it can."""
    if program.argv not in (["torchrun", ARCHIVE], [program.python, "-m", "torch.distributed.run", ARCHIVE]):
        return "its command is not torchrun with our archive"
    env = program.env
    for name in sorted(name for name in {*env, *base} if env.get(name) != base.get(name)):
        if READ_AT_LOAD.fullmatch(name):
            return f"it sets {name}, which is read when Python or torch is loaded"
        if name.startswith("PET_") and name not in OPTIONS:
            return f"it sets {name}, an option of torchrun"
    if env.get("PET_NPROC_PER_NODE", "1") != "1":
        return "it wants more than one process"
    numbers = [env.get("PET_NNODES", "1"), env.get("PET_NODE_RANK", "0"), env.get("PET_MASTER_PORT", "")]
    if not all(number.isdigit() for number in numbers) or not env.get("PET_MASTER_ADDR"):
        return "its rendezvous is not a fixed one"
    if not env.get("OMP_NUM_THREADS", "1").isdigit():
        return "its OMP_NUM_THREADS is not a number"
    return ""


def late_variable(program: Program, base: Mapping[str, str], read: Collection[str]) -> str:
    """Return a variable of `program` that a server has `read` with another value; empty if there is none."""
    names = (name for name in {*program.env, *base} & {*read} if program.env.get(name) != base.get(name))
    return min(names, default="")


def worker_env(env: Mapping[str, str], error_file: str) -> dict[str, str]:
    """Return the environment of torchrun's single worker, for which the store runs already."""
    rank, world = env.get("PET_NODE_RANK", "0"), env.get("PET_NNODES", "1")
    return {
        **env,
        "TORCHELASTIC_SIGNALS_TO_HANDLE": "SIGTERM,SIGINT,SIGHUP,SIGQUIT",
        "RANK": rank,
        "LOCAL_RANK": "0",
        "GROUP_RANK": rank,
        "ROLE_RANK": rank,
        "ROLE_NAME": "default",
        "LOCAL_WORLD_SIZE": "1",
        "WORLD_SIZE": world,
        "GROUP_WORLD_SIZE": world,
        "ROLE_WORLD_SIZE": world,
        "MASTER_ADDR": env["PET_MASTER_ADDR"],
        "MASTER_PORT": env["PET_MASTER_PORT"],
        "TORCHELASTIC_RESTART_COUNT": "0",
        "TORCHELASTIC_MAX_RESTARTS": "0",
        "TORCHELASTIC_RUN_ID": "none",
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "TORCHELASTIC_ERROR_FILE": error_file,
        "TORCH_NCCL_ASYNC_ERROR_HANDLING": env.get("TORCH_NCCL_ASYNC_ERROR_HANDLING", "1"),
    }
