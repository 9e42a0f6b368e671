"""The plugins in their fixed order, and the pipeline that runs them.

`build_objects` maps a TrainJob and its runtime to the objects that must exist, as a pure function.
Upstream the order of plugins is random; here it is the order of the tuple, with builders of side objects before the
JobSet's. Other distributions add plugins through the entry point group `ENTRY_POINTS`.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.controller.framework.info import new_info
from jupyter_trainjob.controller.framework.phases import (
    ComponentBuilder,
    EnforceMLPolicy,
    EnforcePodGroupPolicy,
    IdentifyPodNetwork,
    Plugin,
)
from jupyter_trainjob.controller.framework.pipeline_errors import BuildError, refuse_unsupported
from jupyter_trainjob.controller.plugins.coscheduling import CoScheduling
from jupyter_trainjob.controller.plugins.flux import Flux
from jupyter_trainjob.controller.plugins.jax import Jax
from jupyter_trainjob.controller.plugins.jobset import JobSet
from jupyter_trainjob.controller.plugins.mpi import Mpi
from jupyter_trainjob.controller.plugins.plainml import PlainML
from jupyter_trainjob.controller.plugins.torch import Torch
from jupyter_trainjob.controller.plugins.volcano import Volcano
from jupyter_trainjob.controller.plugins.xgboost import XGBoost

PLUGINS: Final[tuple[Plugin, ...]] = (
    PlainML(),
    Torch(),
    Mpi(),
    Jax(),
    XGBoost(),
    Flux(),
    CoScheduling(),
    Volcano(),
    JobSet(),
)


ENTRY_POINTS: Final = "jupyter_trainjob.controller_plugins"


@cache
def installed_plugins() -> tuple[Plugin, ...]:
    """Return `PLUGINS` with those of other distributions, by the names of their entry points, before the JobSet's.

    Raises `BuildError` if one of them cannot be loaded: a job that needs it would run without it.
    """
    *ours, jobset = PLUGINS
    added = [_load(entry_point) for entry_point in sorted(entry_points(group=ENTRY_POINTS), key=lambda e: e.name)]
    return (*ours, *added, jobset)


def plugins_with(gated: tuple[Plugin, ...]) -> tuple[Plugin, ...]:
    """Return the installed plugins with those of feature gates, which run last but for the JobSet's."""
    *others, jobset = installed_plugins()
    return (*others, *gated, jobset)


def _load(entry_point: EntryPoint) -> Plugin:
    try:
        plugin: Plugin = entry_point.load()()
    except Exception as error:
        raise BuildError(
            f"the controller's plugin {entry_point.name!r} ({entry_point.value}) cannot be loaded: {error!r}. Repair "
            "or uninstall the package that it belongs to."
        ) from error
    return plugin


def build_objects(
    train_job: KubeObject, runtime: KubeObject, *, plugins: tuple[Plugin, ...] | None = None
) -> list[KubeObject]:
    """Return the objects that a TrainJob becomes under a runtime; `plugins` default to the installed ones.

    Raises `Unsupported` if no plugin implements a policy of the runtime, and `BuildError` if the two are incompatible.
    """
    plugins = installed_plugins() if plugins is None else plugins
    refuse_unsupported(runtime, implemented=frozenset[str]().union(*(plugin.policies for plugin in plugins)))
    info = new_info(train_job, runtime)
    for plugin in plugins:
        if isinstance(plugin, EnforceMLPolicy):
            plugin.enforce_ml_policy(info)
    for plugin in plugins:
        if isinstance(plugin, EnforcePodGroupPolicy):
            plugin.enforce_pod_group_policy(info)
    for plugin in plugins:
        if isinstance(plugin, IdentifyPodNetwork):
            plugin.identify_pod_network(info)
    builders = [plugin for plugin in plugins if isinstance(plugin, ComponentBuilder)]
    for builder in builders:
        builder.sync_parallel_count(info)
    return [obj for builder in builders for obj in builder.build(info)]
