"""Quantities are parsed and formatted without rounding."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.resources import KubeObject


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        pytest.param("2", Fraction(2), id="a number"),
        pytest.param(2, Fraction(2), id="a number instead of a string"),
        pytest.param(0.5, Fraction(1, 2), id="a float, as YAML reads it"),
        pytest.param("500m", Fraction(1, 2), id="thousandths"),
        pytest.param("0.1", Fraction(1, 10), id="a decimal fraction is exact"),
        pytest.param("4Gi", Fraction(4 * 2**30), id="powers of two"),
        pytest.param("4G", Fraction(4 * 10**9), id="powers of ten"),
        pytest.param("1e3", Fraction(1000), id="an exponent"),
        pytest.param("12E", Fraction(12 * 10**18), id="exa is not an exponent"),
        pytest.param("-1.5Ki", Fraction(-1536), id="a negative one"),
        pytest.param("1.", Fraction(1), id="a point at the end"),
        pytest.param(".5", Fraction(1, 2), id="a point at the beginning"),
    ],
)
def test_quantity_is_parsed(text: str | float, amount: Fraction) -> None:
    assert quantity.parse_quantity(text) == amount


@pytest.mark.parametrize("text", ["", "a", "1 Gi", "1gi", "1KB", "--1", "1e", "Gi", "."])
def test_invalid_quantity_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        quantity.parse_quantity(text)


@pytest.mark.parametrize(
    ("amount", "binary", "text"),
    [
        pytest.param(Fraction(0), False, "0", id="nothing"),
        pytest.param(Fraction(3, 2), False, "1500m", id="a fraction in thousandths"),
        pytest.param(Fraction(4 * 2**30), True, "4Gi", id="whole powers of two"),
        pytest.param(Fraction(3000), True, "3k", id="powers of ten where no power of two fits"),
        pytest.param(Fraction(1, 3), False, "333333334n", id="values below the precision are rounded up"),
    ],
)
def test_amount_is_formatted(amount: Fraction, binary: bool, text: str) -> None:
    assert quantity.format_amount(amount, binary=binary) == text


@given(st.integers(min_value=0, max_value=10**15), st.integers(min_value=0, max_value=9), st.booleans())
def test_formatted_amount_is_parsed_back(number: int, places: int, binary: bool) -> None:
    amount = Fraction(number, 10**places)
    assert quantity.parse_quantity(quantity.format_amount(amount, binary=binary)) == amount


def container(cpu: str | None = None, *, limit: str | None = None, stays: bool = False) -> KubeObject:
    resources: KubeObject = {}
    if cpu:
        resources["requests"] = {"cpu": cpu}
    if limit:
        resources["limits"] = {"cpu": limit}
    return {"name": "c", "resources": resources, **({"restartPolicy": "Always"} if stays else {})}


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        pytest.param({"containers": [container("1"), container("500m")]}, "1.5", id="containers add up"),
        pytest.param({"containers": [container("1", limit="2")]}, "1", id="a limit without a request"),
        pytest.param({"containers": [container("1", limit="2")]}, "1", id="a request comes before its limit"),
        pytest.param(
            {"initContainers": [container("3"), container("2")], "containers": [container("1")]},
            "3",
            id="init containers run one after the other",
        ),
        pytest.param(
            {"initContainers": [container("1", stays=True), container("3")], "containers": [container("1")]},
            "4",
            id="an init container starts beside those that stay",
        ),
        pytest.param(
            {"initContainers": [container("2", stays=True)], "containers": [container("3")]},
            "5",
            id="a sidecar is added to the containers",
        ),
        pytest.param({"containers": [container("1")], "overhead": {"cpu": "250m"}}, "1.25", id="overhead is added"),
    ],
)
def test_pod_requests_cover_init_and_regular_containers(spec: KubeObject, cpu: str) -> None:
    assert quantity.pod_requests(spec)["cpu"] == quantity.parse_quantity(cpu)


def test_null_is_zero() -> None:
    assert quantity.parse_quantity(None) == 0
    assert quantity.parse_amounts({"cpu": None}) == {"cpu": 0}
