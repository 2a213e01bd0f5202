"""Alert rules: the file, PromQL that parses, and metrics that postgres_exporter has."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import jsonschema
import promql_parser
import pytest
import yaml

from pgnb.core.errors import ParameterError
from pgnb.core.journal import Journal
from pgnb.observe.limits import limits
from pgnb.practices.alerts import AlertRules, alert_rules

DATA = Path(__file__).parents[2] / "data" / "postgres_exporter"
METRICS = json.loads((DATA / "metrics.json").read_text())
SCHEMA = json.loads((DATA / "rules.schema.json").read_text())
NOTEBOOKS = Path(__file__).parents[3]
LIMITS = limits("64MB", 30.0, "1GB")


@dataclass
class Place:
    """What a rule file needs to know of a cluster."""

    namespace: str = "databases"
    journal: Journal = field(default_factory=Journal)


def rules(place=None, **more) -> AlertRules:
    return alert_rules(place or Place(), LIMITS, **{"standbys": 2} | more)


def metrics_of(expr) -> set[str]:
    """The names of the metrics that a parsed expression reads."""
    if isinstance(expr, promql_parser.VectorSelector):
        return {expr.name}
    if isinstance(expr, promql_parser.MatrixSelector):
        return {expr.vector_selector.name}
    inner = [getattr(expr, name, None) for name in ("lhs", "rhs", "expr", "param")]
    inner += list(getattr(expr, "args", None) or ())
    return {name for part in inner if part is not None for name in metrics_of(part)}


def parsed(found: AlertRules) -> dict[str, set[str]]:
    return {alert.name: metrics_of(promql_parser.parse(alert.expr)) for alert in found.alerts}


def test_the_file_is_what_prometheus_reads():
    content = yaml.safe_load(rules().yaml)
    jsonschema.validate(content, SCHEMA)
    (group,) = content["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(set(names)) == len(names) == 11


def test_the_schema_refuses_what_prometheus_refuses():
    content = yaml.safe_load(rules().yaml)
    content["groups"][0]["rules"][0]["for"] = "5 minutes"
    with pytest.raises(jsonschema.ValidationError, match="5 minutes"):
        jsonschema.validate(content, SCHEMA)


@pytest.mark.parametrize("version", ["0.17", "0.20"])
def test_every_alert_reads_metrics_that_the_exporter_has(version):
    for name, read in parsed(rules()).items():
        assert read, name
        assert read & set(METRICS[version]), f"{name} could never fire with {version}: {read}"


def test_no_alert_reads_a_metric_that_no_exporter_has():
    known = {name for version in ("0.17", "0.20") for name in METRICS[version]}
    for name, read in parsed(rules()).items():
        assert read <= known, name


def test_the_names_that_were_scraped_are_still_those_of_later_exporters():
    scraped = set(METRICS["0.11.1"])
    always = {name for read in parsed(rules()).values() for name in read if "wal_status" not in name}
    assert always - scraped == {"pg_replication_lag_seconds", "pg_replication_is_replica"}


def test_the_limits_and_the_number_of_standbys_are_in_the_rules():
    exprs = {alert.name: alert.expr for alert in rules().alerts}
    assert exprs["PostgresStandbyBehindBytes"].endswith(f"> {64 * 1024**2}")
    assert "> 30)" in exprs["PostgresStandbyBehindSeconds"]
    assert exprs["PostgresSlotKeepsMuch"].endswith(f"> {1024**3}")
    assert exprs["PostgresStandbyMissing"].endswith("< 2")


def test_each_rule_looks_at_this_system_only():
    for matchers in ("", 'cluster="a",job=~"postgres.*"'):
        wanted = matchers or 'namespace="databases"'
        for alert in rules(matchers=matchers).alerts:
            selectors = alert.expr.count("{")
            assert alert.expr.count(wanted) == selectors, alert.expr


@pytest.mark.parametrize("matchers", ["namespace", 'a="b"}', 'a="b" or c="d"', 'a="b', "{}"])
def test_matchers_that_are_none_are_refused(matchers):
    with pytest.raises(ParameterError, match="label matchers"):
        rules(matchers=matchers)


def test_what_is_not_there_has_no_rule():
    names = {alert.name for alert in rules(standbys=0, archiving=False).alerts}
    assert {"PostgresStandbyMissing", "PostgresArchivingFails"}.isdisjoint(names)


def test_each_alert_names_a_runbook_of_the_series():
    for alert in rules().alerts:
        assert alert.runbook[:2] in ("07", "08", "09", "10", "11"), alert.name


def test_a_file_is_written_once_and_put_back(tmp_path):
    file = tmp_path / "rules.yaml"
    found = rules()
    done = found.plan_write(str(file)).apply()
    assert done.changed
    assert file.read_text() == found.yaml
    assert not found.plan_write(str(file))
    done.undo().apply()
    assert not file.exists()


def test_undo_brings_the_former_rules_back(tmp_path):
    file = tmp_path / "rules.yaml"
    file.write_text("groups: []\n")
    done = rules().plan_write(str(file)).apply()
    done.undo().apply()
    assert file.read_text() == "groups: []\n"


def test_a_plan_only_run_writes_no_file(tmp_path):
    place = Place(journal=Journal(tmp_path / "journal.jsonl", dry_run=True))
    rules(place).plan_write(str(tmp_path / "rules.yaml")).apply()
    assert not (tmp_path / "rules.yaml").exists()
    assert (tmp_path / "alerts.yaml").read_text() == rules(place).yaml, "the record holds them"


def test_a_folder_that_is_not_there_is_named(tmp_path):
    change = rules().plan_write(str(tmp_path / "nowhere" / "rules.yaml"))
    with pytest.raises(ParameterError, match="rules_file"):
        change.apply()
