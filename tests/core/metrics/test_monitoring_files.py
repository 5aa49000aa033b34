"""What is handed to Prometheus and Grafana speaks of metrics that there are."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from flask.testing import FlaskClient

from tests.support.data import ROOT, missing
from tests.support.metric_names import metric_names

FOLDER = ROOT / "deploy" / "monitoring"
RULES = FOLDER / "kuvert.rules.yml"
DASHBOARD = FOLDER / "kuvert.dashboard.json"

_NAME = re.compile(r"\bkuvert_\w+")
_PART = re.compile(r"_(bucket|count|sum)$")


@pytest.fixture
def known(client: FlaskClient, tmp_path: Path) -> set[str]:
    return metric_names(client, tmp_path)


def alerts() -> list[dict[str, Any]]:
    parsed = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in parsed["groups"] for rule in group["rules"]]


def expressions() -> Iterator[str]:
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def named(expression: str) -> set[str]:
    """The metrics of an expression; of a histogram its parts are named."""
    return {_PART.sub("", name) for name in _NAME.findall(expression)}


def test_prometheus_takes_the_rules() -> None:
    if shutil.which("promtool") is None:
        missing("promtool", "make services")

    done = subprocess.run(
        ["promtool", "check", "rules", str(RULES)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_what_it_is_told(client: FlaskClient) -> None:
    if shutil.which("promtool") is None:
        missing("promtool", "make services")

    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=client.get("/metrics").text,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_alerts_speak_of_metrics_that_there_are(known: set[str]) -> None:
    spoken_of = {name for alert in alerts() for name in named(alert["expr"])}

    assert spoken_of
    assert spoken_of - known == set()


def test_every_alert_says_what_it_is_and_where_to_read_on() -> None:
    headings = re.findall(
        r"^### (\w+)$", (ROOT / "docs/monitoring.md").read_text("utf-8"), re.MULTILINE
    )
    for alert in alerts():
        runbook = f"docs/monitoring.md#{alert['alert'].lower()}"
        assert alert["annotations"]["summary"]
        assert alert["annotations"]["runbook"] == runbook
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}

    assert [alert["alert"] for alert in alerts()] == headings


def test_the_dashboard_shows_metrics_that_there_are(known: set[str]) -> None:
    shown = {name for expression in expressions() for name in named(expression)}

    assert shown
    assert shown - known == set()


def test_prometheus_can_read_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        missing("promtool", "make services")
    rules = [{"record": f"x{at}", "expr": one} for at, one in enumerate(expressions())]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "x", "rules": rules}]}))

    done = subprocess.run(
        ["promtool", "check", "rules", str(path)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_panels_of_the_dashboard_do_not_lie_on_each_other() -> None:
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]

    assert len(set(places)) == len({panel["id"] for panel in panels}) == len(panels)
