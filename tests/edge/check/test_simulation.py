"""Filter patterns, metric math and alarms, and whether the lines are the gate's."""

import math
from typing import Any

import pytest

from edge.check.facts.logs import Alarm, MetricFilter, MetricQuery
from edge.check.simulation.filter_pattern import NotJudged, matcher
from edge.check.simulation.firing import CannotTell, fires, metrics_of
from edge.check.simulation.metric_math import NotComputed, evaluate
from edge.check.simulation.traffic import occasions, ordinary
from edge.runtime.handler import Edge
from tests.edge.check.real_lines import real_lines
from tests.support.scripted_facilitator import ScriptedFacilitator

EVENT = {
    "eventType": "UpdateTrail",
    "sourceIPAddress": "111.111.111.111",
    "status": 503,
    "ThisFlag": True,
    "SomeObject": None,
    "user": {"id": 1, "email": 'a"b'},
}


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ('{ $.eventType = "UpdateTrail" }', True),
        ('{$.eventType="UpdateTrail"}', True),
        ("{ $.eventType = UpdateTrail }", True),
        ('{ $.eventType = "Update*" }', True),
        ('{ $.eventType = "*" }', True),
        ('{ $.eventType = "updatetrail" }', False),
        ('{ $.eventType = "Update" }', False),
        ("{ $.sourceIPAddress != 123.123.* }", True),
        ("{ $.sourceIPAddress != 111.* }", False),
        ("{ $.missing != 111.* }", False),
        ("{ $.status = 503 }", True),
        ("{ $.status = 5* }", True),
        ("{ $.status = * }", True),
        ('{ $.status = "503" }', False),
        ("{ $.status >= 500 }", True),
        ("{ $.status < 500 }", False),
        ("{ $.eventType > 500 }", False),
        ("{ $.ThisFlag IS TRUE }", True),
        ("{ $.ThisFlag IS FALSE }", False),
        ('{ $.ThisFlag = "true" }', False),
        ("{ $.ThisFlag = 1 }", False),
        ("{ $.SomeObject IS NULL }", True),
        ("{ $.Other IS NULL }", False),
        ("{ $.Other NOT EXISTS }", True),
        ("{ $.SomeObject NOT EXISTS }", False),
        ('{ $.SomeObject = "*" }', False),
        ("{ $.user.id = 1 }", True),
        ("{ $.user.id.more = 1 }", False),
        ('{ $.user.email = "a\\"b" }', True),
        ("{ ($.user.id = 2 && $.status = 503) || $.ThisFlag IS TRUE }", True),
        ("{ $.user.id = 2 && ($.status = 503 || $.ThisFlag IS TRUE) }", False),
        ("{ $.user.id = 1 && $.status = 503 && $.ThisFlag IS TRUE }", True),
    ],
)
def test_patterns_match_as_documented(pattern: str, matched: bool) -> None:
    assert matcher(pattern)(EVENT) is matched


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "ERROR",
        '"verify" "error"',
        "[level, message]",
        "{ $.user[0].id = 1 }",
        "{ $.eventType = %Up.*% }",
        "{ $.eventType = }",
        "{ $.eventType }",
        "{ eventType = 1 }",
        "{ $.a = 1",
        "{ $.a = 1 } more",
        "{ $.a IS MAYBE }",
        '{ $.a > "text" }',
        "{ $.a && 1 }",
        "{ ($.a = 1 }",
        "{ $.a = ( }",
        "{ $.a NOT THERE }",
    ],
)
def test_what_is_not_understood_is_not_guessed(pattern: str) -> None:
    with pytest.raises(NotJudged):
        matcher(pattern)


VALUES = {"errors": 3.0, "calls": 200.0, "none": math.nan, "zero": 0.0}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("100 * errors / calls", 1.5),
        ("100*(errors/calls)", 1.5),
        ("-errors + 2^3", 5),
        ("IF(calls > 100, errors, 0)", 3),
        ("IF(calls > 100 AND errors > 5, 1, 0)", 0),
        ("IF(calls > 100 || errors > 5, 1, 0)", 1),
        ("IF(calls == 200 && errors != 4, 1, 0)", 1),
        ("FILL(none, 0) + 1", 1),
        ("FILL(errors, 0)", 3),
        ("MAX(errors, calls)", 200),
        ("MIN(errors, calls)", 3),
        ("SUM(errors, calls)", 203),
        ("CEIL(errors / 2) - FLOOR(errors / 2) + ABS(-1)", 2),
    ],
)
def test_metric_math_is_computed(expression: str, value: float) -> None:
    assert evaluate(expression, VALUES) == value


@pytest.mark.parametrize("expression", ["100 * none / calls", "errors / zero"])
def test_without_data_there_is_no_number(expression: str) -> None:
    assert math.isnan(evaluate(expression, VALUES))


@pytest.mark.parametrize(
    "expression",
    ["METRICS()", "RATE(errors)", "unknown + 1", "errors +", "'text'", "1 if 2 else 3"],
)
def test_metric_math_that_is_not_understood_is_not_guessed(expression: str) -> None:
    with pytest.raises(NotComputed):
        evaluate(expression, VALUES)


def written(pattern: str = '{ $.eventType = "verify" }', value: str = "1") -> Any:
    return MetricFilter(pattern, "Gate", "Metric", value, frozenset(), "group")


def alarm(statistic: str, comparison: str = "GreaterThanThreshold") -> Alarm:
    query = MetricQuery("metric", "Gate", "Metric", statistic, frozenset(), "")
    return Alarm("alarm", (query,), "metric", comparison, 2.0, "", ())


LINES = tuple({"eventType": "verify", "latencyMs": n} for n in (1, 2, 3, 4))


@pytest.mark.parametrize(
    ("statistic", "value"),
    [
        ("SampleCount", 4),
        ("Sum", 10),
        ("Average", 2.5),
        ("Minimum", 1),
        ("Maximum", 4),
        ("p50", 2),
        ("p99", 4),
        ("p0", 1),
    ],
)
def test_statistics_are_those_of_cloudwatch(statistic: str, value: float) -> None:
    metrics = metrics_of([written(value="$.latencyMs")], LINES)
    assert fires(alarm(statistic), metrics, metrics) is (value > 2)
    at_least = alarm(statistic, "GreaterThanOrEqualToThreshold")
    assert fires(at_least, metrics, metrics) is (value >= 2)
    below = alarm(statistic, "LessThanThreshold")
    assert fires(below, metrics, metrics) is (value < 2)


def test_a_value_that_is_no_number_is_not_published() -> None:
    lines = ({"eventType": "verify", "latencyMs": "slow"}, {"eventType": "verify"})
    metrics = metrics_of([written(value="$.latencyMs")], lines)
    assert fires(alarm("SampleCount"), metrics, metrics) is False


def test_two_filters_may_write_one_metric() -> None:
    metrics = metrics_of([written(), written()], LINES)
    [series] = metrics.values()
    assert series == [1.0] * 8


@pytest.mark.parametrize(
    ("alarm", "filters"),
    [
        (alarm("Sum"), [written("ERROR")]),
        (alarm("Sum"), [written(), written("ERROR")]),
        (alarm("TM(10%:90%)"), [written()]),
        (alarm("Sum", "LessThanLowerThreshold"), [written()]),
        (
            Alarm("band", alarm("Sum").queries, "metric", "x", None, "metric", ()),
            [written()],
        ),
        (Alarm("lost", (), "metric", "x", None, "band", ()), [written()]),
        (
            Alarm(
                "math",
                (MetricQuery("m", "", "", "", frozenset(), "RATE(x)"),),
                "m",
                "GreaterThanThreshold",
                1.0,
                "",
                (),
            ),
            [],
        ),
    ],
)
def test_an_alarm_that_is_not_understood_is_not_judged(
    alarm: Alarm, filters: Any
) -> None:
    metrics = metrics_of(filters, LINES)
    with pytest.raises(CannotTell):
        fires(alarm, metrics, metrics)


def test_a_band_is_left_upwards_only() -> None:
    metric = MetricQuery("m", "Gate", "Metric", "Sum", frozenset(), "")
    band = MetricQuery("b", "", "", "", frozenset(), "ANOMALY_DETECTION_BAND(m, 2)")
    usual, now = (metrics_of([written()], LINES * times) for times in (1, 6))
    for comparison, fired in (
        ("GreaterThanUpperThreshold", True),
        ("LessThanLowerOrGreaterThanUpperThreshold", True),
        ("LessThanLowerThreshold", False),
    ):
        spike = Alarm("spike", (metric, band), "m", comparison, None, "b", ())
        assert fires(spike, usual, now) is fired
        assert fires(spike, usual, usual) is False


def test_the_simulated_lines_are_like_those_that_the_gate_writes(
    edge: Edge, scripted: ScriptedFacilitator, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = real_lines(edge, scripted, capsys)
    assert len(lines) == 6
    simulated = [*ordinary(), *(line for each in occasions() for line in each.lines)]
    assert {shape(line) for line in lines} == {shape(line) for line in simulated}


def shape(line: dict[str, Any]) -> tuple[Any, ...]:
    """Which fields, in which order, of which types; of flags, which."""
    return tuple(
        (name, value if isinstance(value, bool) else type(value).__name__)
        for name, value in line.items()
    )
