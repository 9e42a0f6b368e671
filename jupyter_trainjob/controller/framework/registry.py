"""The plugins in their fixed order, and the pipeline that runs them.

`build` is the whole way from a TrainJob and its runtime to the objects that shall exist, as a pure function. Upstream
the order of plugins is random; here it is the order of the tuple, with builders of side objects before the JobSet's.
"""

from __future__ import annotations

from typing import Final

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.controller.framework.info import new_info
from jupyter_trainjob.controller.framework.phases import (
    ComponentBuilder,
    EnforceMLPolicy,
    EnforcePodGroupPolicy,
    IdentifyPodNetwork,
    Plugin,
)
from jupyter_trainjob.controller.framework.unsupported import refuse_unsupported
from jupyter_trainjob.controller.plugins.coscheduling import CoScheduling
from jupyter_trainjob.controller.plugins.jobset import JobSet
from jupyter_trainjob.controller.plugins.plainml import PlainML
from jupyter_trainjob.controller.plugins.torch import Torch

PLUGINS: Final[tuple[Plugin, ...]] = (PlainML(), Torch(), CoScheduling(), JobSet())


def build(train_job: Object, runtime: Object, *, plugins: tuple[Plugin, ...] = PLUGINS) -> list[Object]:
    """Return the objects that a TrainJob becomes under a runtime.

    Raises `Unsupported` if the runtime asks for what no plugin does, and `BuildError` if the two do not fit.
    """
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
