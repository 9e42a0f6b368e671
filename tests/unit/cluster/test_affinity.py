"""Which nodes a pod's selector, node affinity and tolerations let it go to."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster import affinity

NODE: Object = {"metadata": {"name": "n", "labels": {"disk": "ssd", "cores": "8", "gpu": ""}}, "spec": {}}


def term(*expressions: tuple[Any, ...], **fields: Any) -> Object:
    found = [{"key": key, "operator": operator, "values": list(values)} for key, operator, *values in expressions]
    return {"matchExpressions": found, **fields}


def required(*terms: Object) -> Object:
    selector = {"nodeSelectorTerms": list(terms)}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}}}


def name_is(operator: str, name: str) -> Object:
    return {"matchFields": [{"key": "metadata.name", "operator": operator, "values": [name]}]}


@pytest.mark.parametrize(
    ("spec", "matches"),
    [
        pytest.param({}, True, id="a pod that says nothing goes anywhere"),
        pytest.param({"nodeSelector": {"disk": "ssd"}}, True, id="a selector finds its labels"),
        pytest.param({"nodeSelector": {"disk": "ssd", "zone": "a"}}, False, id="all of them"),
        pytest.param(required(term(("disk", "In", "hdd", "ssd"))), True, id="In is one of"),
        pytest.param(required(term(("zone", "In", "a"))), False, id="In needs the label"),
        pytest.param(required(term(("disk", "NotIn", "ssd"))), False, id="NotIn is none of"),
        pytest.param(required(term(("zone", "NotIn", "a"))), True, id="NotIn holds where the label is not"),
        pytest.param(required(term(("gpu", "Exists"))), True, id="Exists holds for an empty value"),
        pytest.param(required(term(("zone", "Exists"))), False, id="Exists needs the label, too"),
        pytest.param(required(term(("zone", "DoesNotExist"))), True, id="DoesNotExist"),
        pytest.param(required(term(("cores", "Gt", "4"))), True, id="Gt compares numbers, not text"),
        pytest.param(required(term(("cores", "Lt", "10"))), True, id="Lt compares numbers, not text"),
        pytest.param(required(term(("cores", "Gt", "8"))), False, id="an equal one is not greater"),
        pytest.param(required(term(("disk", "Gt", "4"))), False, id="text is not compared"),
        pytest.param(required(term(("zone", "Lt", "4"))), False, id="nor is what is not there"),
        pytest.param(required(term(("disk", "In", "ssd"), ("zone", "Exists"))), False, id="a term is all it says"),
        pytest.param(required(term(("zone", "Exists")), term(("gpu", "Exists"))), True, id="one term is enough"),
        pytest.param(required({}), False, id="an empty term matches nothing"),
        pytest.param(required(name_is("In", "n")), True, id="a node by its name"),
        pytest.param(required(name_is("NotIn", "n")), False, id="any node but this"),
        pytest.param(
            {"nodeSelector": {"zone": "a"}, **required(term(("gpu", "Exists")))}, False, id="selector and affinity"
        ),
    ],
)
def test_a_pod_chooses_nodes(spec: Object, *, matches: bool) -> None:
    assert affinity.selects(spec, NODE) is matches


def taint(effect: str = "NoSchedule", key: str = "gpu", value: str = "yes") -> Object:
    return {"key": key, "value": value, "effect": effect}


@pytest.mark.parametrize(
    ("taints", "tolerations", "kept_out"),
    [
        pytest.param([], [], "", id="without taints nothing keeps a pod out"),
        pytest.param([taint()], [], "{gpu: yes}", id="a taint keeps out"),
        pytest.param([taint("NoExecute")], [], "{gpu: yes}", id="so does one that would end pods"),
        pytest.param([taint("PreferNoSchedule")], [], "", id="a preference does not"),
        pytest.param([taint()], [{"key": "gpu", "value": "yes"}], "", id="Equal is what is meant by nothing"),
        pytest.param([taint()], [{"key": "gpu", "value": "no"}], "{gpu: yes}", id="another value is not tolerated"),
        pytest.param([taint()], [{"key": "gpu", "operator": "Exists"}], "", id="any value is"),
        pytest.param([taint()], [{"operator": "Exists"}], "", id="or everything"),
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
def test_a_taint_keeps_out_who_does_not_tolerate_it(
    taints: list[Object], tolerations: list[Object], kept_out: str
) -> None:
    assert affinity.untolerated({"tolerations": tolerations}, {**NODE, "spec": {"taints": taints}}) == kept_out
