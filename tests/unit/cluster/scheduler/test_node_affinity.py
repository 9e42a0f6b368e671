"""Node selectors, node affinity and tolerations."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.scheduler import node_affinity

NODE: KubeObject = {"metadata": {"name": "n", "labels": {"disk": "ssd", "cores": "8", "gpu": ""}}, "spec": {}}


def term(*expressions: tuple[Any, ...], **fields: Any) -> KubeObject:
    expressions_ = [
        {"key": key, "operator": operator, "values": list(values)} for key, operator, *values in expressions
    ]
    return {"matchExpressions": expressions_, **fields}


def required(*terms: KubeObject) -> KubeObject:
    selector = {"nodeSelectorTerms": list(terms)}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}}}


def name_is(operator: str, name: str) -> KubeObject:
    return {"matchFields": [{"key": "metadata.name", "operator": operator, "values": [name]}]}


@pytest.mark.parametrize(
    ("spec", "matches"),
    [
        pytest.param({}, True, id="no constraints"),
        pytest.param({"nodeSelector": {"disk": "ssd"}}, True, id="nodeSelector matches"),
        pytest.param({"nodeSelector": {"disk": "ssd", "zone": "a"}}, False, id="nodeSelector needs all labels"),
        pytest.param(required(term(("disk", "In", "hdd", "ssd"))), True, id="In is one of"),
        pytest.param(required(term(("zone", "In", "a"))), False, id="In needs the label"),
        pytest.param(required(term(("disk", "NotIn", "ssd"))), False, id="NotIn excludes values"),
        pytest.param(required(term(("zone", "NotIn", "a"))), True, id="NotIn holds without the label"),
        pytest.param(required(term(("gpu", "Exists"))), True, id="Exists holds for an empty value"),
        pytest.param(required(term(("zone", "Exists"))), False, id="Exists needs the label, too"),
        pytest.param(required(term(("zone", "DoesNotExist"))), True, id="DoesNotExist"),
        pytest.param(required(term(("cores", "Gt", "4"))), True, id="Gt compares numbers, not text"),
        pytest.param(required(term(("cores", "Lt", "10"))), True, id="Lt compares numbers, not text"),
        pytest.param(required(term(("cores", "Gt", "8"))), False, id="an equal one is not greater"),
        pytest.param(required(term(("disk", "Gt", "4"))), False, id="Gt needs a number"),
        pytest.param(required(term(("zone", "Lt", "4"))), False, id="Lt needs the label"),
        pytest.param(
            required(term(("disk", "In", "ssd"), ("zone", "Exists"))), False, id="all expressions of a term must match"
        ),
        pytest.param(required(term(("zone", "Exists")), term(("gpu", "Exists"))), True, id="one term is enough"),
        pytest.param(required({}), False, id="an empty term matches nothing"),
        pytest.param(required(name_is("In", "n")), True, id="a node by its name"),
        pytest.param(required(name_is("NotIn", "n")), False, id="excluded by name"),
        pytest.param(
            {"nodeSelector": {"zone": "a"}, **required(term(("gpu", "Exists")))}, False, id="selector and affinity"
        ),
    ],
)
def test_matches_node(spec: KubeObject, *, matches: bool) -> None:
    assert node_affinity.matches_node(spec, NODE) is matches


def taint(effect: str = "NoSchedule", key: str = "gpu", value: str = "yes") -> KubeObject:
    return {"key": key, "value": value, "effect": effect}


@pytest.mark.parametrize(
    ("taints", "tolerations", "untolerated"),
    [
        pytest.param([], [], "", id="no taints"),
        pytest.param([taint()], [], "{gpu: yes}", id="NoSchedule without toleration"),
        pytest.param([taint("NoExecute")], [], "{gpu: yes}", id="NoExecute without toleration"),
        pytest.param([taint("PreferNoSchedule")], [], "", id="PreferNoSchedule is ignored"),
        pytest.param([taint()], [{"key": "gpu", "value": "yes"}], "", id="the default operator is Equal"),
        pytest.param([taint()], [{"key": "gpu", "value": "no"}], "{gpu: yes}", id="another value is not tolerated"),
        pytest.param([taint()], [{"key": "gpu", "operator": "Exists"}], "", id="Exists tolerates any value"),
        pytest.param([taint()], [{"operator": "Exists"}], "", id="Exists without a key tolerates everything"),
        pytest.param(
            [taint()],
            [{"key": "gpu", "operator": "Exists", "effect": "NoExecute"}],
            "{gpu: yes}",
            id="another effect is not tolerated",
        ),
        pytest.param(
            [taint(), taint(key="own", value="")],
            [{"key": "gpu", "operator": "Exists"}],
            "{own: }",
            id="each taint has to be tolerated",
        ),
    ],
)
def test_untolerated_taint(taints: list[KubeObject], tolerations: list[KubeObject], untolerated: str) -> None:
    assert (
        node_affinity.untolerated_taint({"tolerations": tolerations}, {**NODE, "spec": {"taints": taints}})
        == untolerated
    )
