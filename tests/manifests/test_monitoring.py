"""Alerts fire when they should, and name metrics that exist; so does the dashboard."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from azwi_common import contract
from azwi_proxy.metrics import Metrics
from azwi_testing import tools

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "manifests/monitoring/alerts.yaml"
SIDECARS = ROOT / "manifests/monitoring/sidecars.yaml"
DASHBOARD = ROOT / "manifests/dashboards/azwi-sidecar.json"
WEBHOOK = ROOT / "webhook/azwi_webhook/metrics.py"
# What webhook/azwi_webhook/metrics.py has, or will have.
WEBHOOK_METRICS = {
    "azwi_mutation_request",
    "azwi_webhook_build_info",
    "azwi_webhook_cache_objects",
    "azwi_webhook_cache_watching",
    "azwi_webhook_certificate_expiry_timestamp_seconds",
    "azwi_webhook_live_reads",
    "azwi_webhook_log_lines_lost",
    "azwi_webhook_reviews",
    "azwi_webhook_refused_calls",
    "azwi_webhook_lost_connections",
    "azwi_webhook_cache_bytes",
    "azwi_webhook_cache_largest_bytes",
}
# The API server's own.
FOREIGN = {
    "apiserver_admission_webhook_rejection_count",
    "apiserver_admission_webhook_fail_open_count",
}
SUFFIXES = ("_total", "_bucket", "_count", "_sum")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text())["spec"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def expressions() -> list[str]:
    shown = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    return [*shown, *(rule["expr"] for rule in rules())]


def named() -> set[str]:
    return set(re.findall(r"\b(?:azwi|apiserver)_\w+", " ".join(expressions())))


def of_the_proxy() -> set[str]:
    """What a scrape of azwi-proxy names, with what its histograms are made of."""
    metrics = Metrics()
    metrics.watch(lambda: {})
    found = set()
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", metrics.exposition().decode(), re.M):
        found |= {name + part for part in SUFFIXES[1:]} if kind == "histogram" else {name}
    return found


def base(name: str) -> str:
    return next((name.removesuffix(part) for part in SUFFIXES if name.endswith(part)), name)


def test_every_metric_of_the_proxy_that_is_named_exists() -> None:
    asked = {name for name in named() if name.startswith("azwi_proxy_")}
    assert asked
    assert asked <= of_the_proxy()


def test_every_other_metric_that_is_named_is_the_webhooks_or_the_api_servers() -> None:
    others = {name for name in named() if not name.startswith("azwi_proxy_")}
    assert {base(name) for name in others - FOREIGN} <= WEBHOOK_METRICS


def test_the_webhook_has_the_metrics_that_are_named() -> None:
    written = set(re.findall(r'"(azwi_\w+)"', WEBHOOK.read_text()))
    assert written == WEBHOOK_METRICS


def test_every_alert_says_what_is_wrong_and_what_to_look_at() -> None:
    for rule in rules():
        assert rule["alert"].startswith("Azwi")
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert set(rule["annotations"]) == {"summary", "description"}


@pytest.fixture
def rule_file(tmp_path: Path) -> Path:
    """The rules as Prometheus itself reads them, with their tests beside them."""
    file = tmp_path / "alerts.rules.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(ALERTS.read_text())["spec"]))
    (tmp_path / "alerts_test.yaml").write_bytes(
        (Path(__file__).parent / "alerts_test.yaml").read_bytes()
    )
    return file


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tools.tool("promtool"), *arguments], capture_output=True, text=True, timeout=60
    )


@pytest.mark.helm
def test_promtool_accepts_the_alerts(rule_file: Path) -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", rule_file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules())} rules found" in done.stdout


@pytest.mark.helm
def test_each_alert_fires_when_it_should_and_not_otherwise(rule_file: Path) -> None:
    done = promtool("test", "rules", rule_file.parent / "alerts_test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_seen_to_fire_and_to_keep_still() -> None:
    cases = yaml.safe_load((Path(__file__).parent / "alerts_test.yaml").read_text())["tests"]
    seen: dict[bool, set[str]] = {True: set(), False: set()}
    for case in cases:
        for test in case["alert_rule_test"]:
            seen[bool(test.get("exp_alerts"))].add(test["alertname"])
    assert seen[True] == seen[False] == {rule["alert"] for rule in rules()}


@pytest.mark.helm
def test_promtool_parses_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    shown = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    plain = [text.replace("$__rate_interval", "5m").replace("$namespace", ".*") for text in shown]
    group = {
        "name": "dashboard",
        "rules": [{"record": f"panel:{n}", "expr": text} for n, text in enumerate(plain)],
    }
    file = tmp_path / "dashboard.yaml"
    file.write_text(yaml.safe_dump({"groups": [group]}))
    done = promtool("check", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_asks_the_data_source_that_its_reader_chooses() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    names = [variable["name"] for variable in dashboard["templating"]["list"]]
    assert names == ["datasource", "namespace"]
    for panel in panels():
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_panels_fill_rows_without_overlapping() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def relabelled(labels: dict[str, str]) -> str | None:
    """The address that the PodMonitor's rules leave of a target; None where they drop it."""
    (endpoint,) = yaml.safe_load(SIDECARS.read_text())["spec"]["podMetricsEndpoints"]
    for rule in endpoint["relabelings"]:
        text = ";".join(labels.get(name, "") for name in rule["sourceLabels"])
        found = re.fullmatch(rule["regex"], text)
        if rule["action"] == "replace" and found:
            new = re.sub(r"\$(\d)", r"\\\1", rule["replacement"])
            labels = {**labels, rule["targetLabel"]: found.expand(new)}
        elif rule["action"] in ("keep", "drop") and bool(found) is (rule["action"] == "drop"):
            return None
    return labels.get("__address__")


def test_sidecars_are_scraped_where_their_annotation_says() -> None:
    annotation = contract.PREFIX + "proxy-metrics-port"
    label = "__meta_kubernetes_pod_annotation_" + re.sub(r"\W", "_", annotation)
    pod = {
        "__address__": "10.0.0.1",
        "__meta_kubernetes_pod_ip": "10.0.0.1",
        "__meta_kubernetes_pod_phase": "Running",
        "__meta_kubernetes_pod_container_name": "azwi-proxy",
        label: "9000",
    }
    assert relabelled(pod) == "10.0.0.1:9000"
    assert relabelled({**pod, "__meta_kubernetes_pod_container_name": "app"}) is None
    assert relabelled({**pod, "__meta_kubernetes_pod_phase": "Succeeded"}) is None
    assert relabelled({**pod, label: ""}) is None
