"""docs/metrics.md, and what docs/dashboards has for its metrics."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, generate_latest

from origin_middleware.metrics import METRICS
from origin_middleware.opentelemetry import OpenTelemetryObserver
from origin_middleware.prometheus import PrometheusObserver

from .test_prometheus import told

DOCS = Path(__file__).parents[3] / "docs"
DASHBOARDS = DOCS / "dashboards"

# Counted by `origin-middleware stats --prometheus`.
_BY_THE_COMMAND = {"origin_middleware_records"}

promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="Debian has promtool in `prometheus`"
)


def exported() -> set[str]:
    """With the endings of histograms."""
    registry = CollectorRegistry()
    PrometheusObserver(registry)
    text = generate_latest(registry).decode()
    families = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    endings = {"histogram": ("", "_bucket", "_sum", "_count")}
    names = (name + end for name, kind in families for end in endings.get(kind, ("",)))
    return {*names, *_BY_THE_COMMAND}


@pytest.mark.parametrize(
    "file", ["prometheus.rules.yaml", "prometheus.tests.yaml", "grafana.json"]
)
def test_every_name_is_exported(file: str) -> None:
    text = (DASHBOARDS / file).read_text()
    used = set(re.findall(r"origin_middleware_\w+", text))
    assert used
    assert used <= exported()


_UNITS = {"s": "_seconds", "By": "_bytes"}


def test_the_names_of_opentelemetry_become_those_of_prometheus() -> None:
    """As an OpenTelemetry collector writes them for a Prometheus. The store's duration
    has another one."""
    reader = InMemoryMetricReader()
    observer = OpenTelemetryObserver(meter_provider=MeterProvider([reader]))
    for event in told():
        observer(event)
    data = reader.get_metrics_data()
    assert data
    metrics = data.resource_metrics[0].scope_metrics[0].metrics
    names = {
        each.name.replace(".", "_")
        + _UNITS.get(each.unit or "", "")
        + ("_total" if getattr(each.data, "is_monotonic", False) else "")
        for each in metrics
    }
    of_store = "db_client_operation_duration_seconds"
    assert names - {of_store} <= exported()
    (labels,) = {
        label.replace(".", "_")
        for each in metrics
        if each.name == "db.client.operation.duration"
        for point in each.data.data_points
        for label in point.attributes or ()
        if "procedure" in label
    }
    for file in ("prometheus.rules.yaml", "grafana.json"):
        text = (DASHBOARDS / file).read_text()
        assert re.search(f"{of_store}_bucket{{{labels}!", text), file


def test_the_dashboard_shows_every_metric() -> None:
    text = (DASHBOARDS / "grafana.json").read_text()
    for metric in METRICS:
        assert "origin_middleware_" + metric.name.replace(".", "_") in text


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    """Not rendered here: there is no Grafana on this machine."""
    board = json.loads((DASHBOARDS / "grafana.json").read_text())
    assert board["schemaVersion"] >= 39
    assert board["uid"] == "origin-middleware"
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in board["panels"]:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == "${datasource}"


def test_the_page_names_every_metric() -> None:
    """And every alert, and nothing else."""
    page = (DOCS / "metrics.md").read_text()
    rules = (DASHBOARDS / "prometheus.rules.yaml").read_text()
    listed = set(re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE))
    assert listed <= {name.removeprefix("origin_middleware_") for name in exported()}
    assert {metric.name.replace(".", "_") for metric in METRICS} <= {
        re.sub("_(total|seconds|bytes)$", "", name) for name in listed
    }
    alerts = set(re.findall(r"^\| `(Origin\w+)` \|", page, re.MULTILINE))
    assert alerts == set(re.findall(r"alert: (\w+)", rules))


def test_an_alert_leads_to_a_heading() -> None:
    rules = (DASHBOARDS / "prometheus.rules.yaml").read_text()
    page = (DOCS / "operations.md").read_text()
    headings = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    }
    anchors = re.findall(r"docs/operations\.md#(\S+)", rules)
    assert anchors
    assert set(anchors) <= headings


@promtool
def test_the_rules_are_rules() -> None:
    _promtool("check", "rules", str(DASHBOARDS / "prometheus.rules.yaml"))


@promtool
def test_the_alerts_fire_in_a_played_incident_and_not_in_a_quiet_night() -> None:
    _promtool("test", "rules", str(DASHBOARDS / "prometheus.tests.yaml"))


def test_every_alert_is_played() -> None:
    rules = (DASHBOARDS / "prometheus.rules.yaml").read_text()
    played = (DASHBOARDS / "prometheus.tests.yaml").read_text()
    for alert in re.findall(r"alert: (\w+)", rules):
        assert alert in played, alert


def _promtool(*arguments: str) -> None:
    done = subprocess.run(
        ["promtool", *arguments],  # noqa: S607 - the machine's
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
