"""The files of infra/observe: each query asks for exported metrics, and each alert rings."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.databases.debian import unpack
from tests.databases.mysql import CACHE
from tests.docs.console import ROOT
from tests.metrics.samples import families
from tests.service import METRICS_TOKEN, TICK_TOKEN, bearer, in_process

pytestmark = pytest.mark.only("sqlite")

OBSERVE = ROOT / "infra" / "observe"


def queries() -> dict[str, str]:
    """Return every query of the alerts and of the dashboard, by what it is for."""
    groups = yaml.safe_load((OBSERVE / "alerts.yaml").read_text())["groups"]
    panels = json.loads((OBSERVE / "dashboard.json").read_text())["panels"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]} | {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in panels
        for target in panel["targets"]
    }


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The labels of each sample that a server exports after a request, a log-in and a tick."""
    with in_process(tmp_path_factory.mktemp("observed")) as service:
        service.login(service.register())
        service.client.post("/tick", headers=bearer(TICK_TOKEN))
        return {
            sample.name: set(sample.labels)
            for family in families(service).values()
            for sample in family.samples
        }


@pytest.mark.parametrize("purpose", queries())
def test_a_query_asks_for_metrics_and_labels_that_are_exported(
    exported: dict[str, set[str]], purpose: str
) -> None:
    query = queries()[purpose]
    names = re.findall(r"\bkeystead_\w+", query)
    assert set(names) <= set(exported)
    labels = {"job", "instance"}.union(*(exported[name] for name in names))
    matched = re.findall(r"(\w+)\s*=~?\s*\"", query)
    grouped = re.findall(r"by \(([^)]*)\)", query)
    assert {*matched, *re.findall(r"\w+", " ".join(grouped))} <= labels


def test_each_metric_is_on_the_page(exported: dict[str, set[str]]) -> None:
    pages = "".join((ROOT / "docs" / page).read_text() for page in ("observe.md", "tick.md"))
    for name in exported:
        family = re.sub(r"_(bucket|count|sum)$", "", name)
        assert f"`{family}`" in pages or family.endswith("_limit"), name


def test_each_alert_is_on_the_page() -> None:
    page = (ROOT / "docs" / "observe.md").read_text()
    rules = yaml.safe_load((OBSERVE / "alerts.yaml").read_text())["groups"][0]["rules"]
    assert set(re.findall(r"\bKeystead[A-Z]\w+", page)) == {rule["alert"] for rule in rules}


@pytest.fixture(scope="module")
def promtool() -> Path:
    """Prometheus' own checker: on PATH, or of Debian's package."""
    found = shutil.which("promtool")
    return (
        Path(found) if found else unpack("prometheus", ["prometheus"], CACHE) / "usr/bin/promtool"
    )


def check(promtool: Path, *arguments: Any, stdin: str = "") -> str:
    command = [promtool, *arguments]
    done = subprocess.run(
        command, cwd=OBSERVE, input=stdin, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.timeout(400)
def test_the_configuration_is_valid_and_each_alert_rings(promtool: Path, tmp_path: Path) -> None:
    check(promtool, "test", "rules", "alerts_test.yaml")
    for name in ("prometheus.yaml", "alerts.yaml"):
        (tmp_path / name).write_text((OBSERVE / name).read_text())
    (tmp_path / "metrics-token").write_text(METRICS_TOKEN)
    check(promtool, "check", "config", tmp_path / "prometheus.yaml")


@pytest.mark.timeout(400)
def test_promtool_finds_nothing_to_say_about_the_metrics(promtool: Path, tmp_path: Path) -> None:
    with in_process(tmp_path) as service:
        service.login(service.register())
        headers = bearer(METRICS_TOKEN) | {"Accept": "text/plain"}
        text = service.client.get("/metrics", headers=headers).text
    assert check(promtool, "check", "metrics", stdin=text) == ""
