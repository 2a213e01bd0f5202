"""Causes that need a new base backup or a repair on the volume; and servers of other kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from diagnosis_pair import NAME, SLOT, DiagnosisPair, altered, set_system

from pgnb.core.display import Table
from pgnb.core.wait import wait_until
from pgnb.diagnosis.physical import ExpectedReplication, collect_evidence, diagnose
from pgnb.physical import slots
from pgnb.physical.target import find_target
from pgnb.postgres import ServerAccess
from pgnb.postgres.progress import marker

pytestmark = pytest.mark.long

_STRANGER = """
test -e "$PGDATA/PG_VERSION" || initdb -D "$PGDATA" -A trust > /dev/null
touch "$PGDATA/standby.signal"
grep -q pgnb-test "$PGDATA/postgresql.conf" || cat >> "$PGDATA/postgresql.conf" <<TEXT
# pgnb-test
listen_addresses = '*'
primary_conninfo = 'host=primary user=postgres application_name=stranger'
TEXT
grep -q 10.0.0.0 "$PGDATA/pg_hba.conf" || echo "host all all 10.0.0.0/8 trust" >> "$PGDATA/pg_hba.conf"
exec postgres
"""


@pytest.fixture(autouse=True)
def rebuilt(pair: DiagnosisPair) -> None:
    """Rebuild the pair after a failed test."""
    if pair.look().findings:
        pair.rebuild()


def test_slot_at_risk_then_lost(pair: DiagnosisPair) -> None:
    with altered(pair.primary, "max_slot_wal_keep_size", "16MB"):
        with pair.without_stream():
            wait_until(
                "the cap to be passed",
                lambda: _one_segment(pair),
                lambda status: status == "unreserved",
                timeout=60,
            )
            finding = pair.found("slot-at-risk", "receiver-dead")
            assert finding.subject == f"slot {SLOT}"
            pair.switch_wal(2)
            pair.found("slot-lost", "wal-removed")
        lost = pair.found("slot-lost", "wal-removed")
        assert "max_slot_wal_keep_size = 16 MB" in lost.cause
        assert "03" in lost.remedy
    pair.rebuild()
    pair.healthy()


def _one_segment(pair: DiagnosisPair) -> str | None:
    pair.primary.execute("SELECT pg_switch_wal()")
    marker(pair.primary)
    slot = slots(pair.primary).find(SLOT)
    return slot.wal_status if slot else None


def test_wal_that_no_slot_kept_was_removed(pair: DiagnosisPair) -> None:
    with altered(pair.standby, "primary_slot_name", ""):
        with pair.without_stream():
            pair.primary.query("SELECT pg_drop_replication_slot(%s)", (SLOT,))
            pair.switch_wal(4)
        finding = pair.found("wal-removed", slot="")
        assert "missing)" in finding.evidence[0]
        wait_until(
            "its own words",
            lambda: pair.look(slot="").find("wal-removed").evidence,
            lambda lines: "has already been removed" in lines[-1],
            timeout=60,
        )
    pair.rebuild()
    pair.healthy()


def test_promoted_standby_then_another_timeline(pair: DiagnosisPair) -> None:
    pair.standby.query("SELECT pg_promote(true, 60)")
    finding = pair.found("split-brain")
    assert "Both servers accept writes" in finding.cause
    assert "timeline 2" in finding.evidence[0]
    signal = f"{pair.standby.facts.data_directory}/standby.signal"
    pair.cluster.exec(pair.standby.pod, ["touch", signal], changes="make it a standby again")
    pair.standby.close()
    deployment = pair.cluster.find_workload("Deployment", NAME)
    pair.cluster.scale_and_wait(deployment, 0)
    pair.cluster.scale_and_wait(deployment, 1)
    pair.standby.reopen()
    finding = pair.found("other-timeline")
    assert "promoted once" in finding.cause
    assert finding.evidence[0] == "timeline 2, the primary's is 1"
    wait_until(
        "its own words",
        lambda: pair.look().find("other-timeline").evidence,
        lambda lines: "behind recovery timeline" in lines[-1],
        timeout=60,
    )
    pair.rebuild()
    pair.healthy()


def test_a_server_that_does_not_start_tells_why(pair: DiagnosisPair) -> None:
    path, deployment = pair.standby.facts.config_file, pair.cluster.find_workload("Deployment", NAME)
    pair.write(pair.standby, path, "$a shared_bufers = 128MB")
    pair.standby.close()
    pair.cluster.scale_and_wait(deployment, 0)
    pair.cluster.patch("deployments", NAME, {"spec": {"replicas": 1}}, "start it")
    wait_until("its end", lambda: pair.look().kinds, lambda kinds: "pod-not-ready" in kinds, timeout=60)
    finding = pair.found("broken-configuration", "pod-not-ready")
    assert any("shared_bufers" in line for line in finding.evidence)
    not_ready = pair.look().find("pod-not-ready")
    assert not_ready is not None
    assert "kubectl logs" in not_ready.remedy
    pair.cluster.scale_and_wait(deployment, 0)
    target = find_target(pair.cluster, NAME)
    assert target is not None
    with pair.cluster.helper(target.helper("mend", (), uid=999, gid=999)) as helper:
        helper.exec(["sed", "-i", "$d", f"{target.directory}/postgresql.conf"], changes="mend the line")
    pair.cluster.scale_and_wait(deployment, 1)
    pair.standby.reopen()
    pair.healthy()


def test_a_standby_of_another_database_cluster(
    pair: DiagnosisPair, start_postgres: Callable[..., Any]
) -> None:
    def stranger(made: dict[str, Any]) -> None:
        if "template" in made.get("spec", {}):
            container = made["spec"]["template"]["spec"]["containers"][0]
            container["command"] = ["bash", "-c", _STRANGER]
            secret = {"secretKeyRef": {"name": "primary", "key": "password"}}
            container["env"].append({"name": "PGPASSWORD", "valueFrom": secret})

    path = pair.primary.facts.hba_file
    pair.write(pair.primary, path, "$a host replication postgres 10.0.0.0/8 scram-sha-256")
    pair.primary.execute("SELECT pg_reload_conf()")
    start_postgres(pair.cluster.namespace, "stranger", patch=stranger)
    alone = {"standby_selector": "app=stranger", "slot": "", "application_name": ""}
    finding = pair.found("other-system", **alone)
    assert "another initdb" in finding.cause
    assert pair.standby.facts.system_identifier in finding.evidence[0]
    wait_until(
        "its own words",
        lambda: pair.look(**alone).find("other-system").evidence,
        lambda lines: "identifier differs" in lines[-1],
        timeout=60,
    )
    both = pair.look(standby_selector="app in (standby, stranger)")
    assert both.kinds == {"other-system"}
    assert len(both.servers) == 3
    assert both.findings[0].subject.startswith("pod/stranger")


def test_the_login_that_gets_no_session_is_told_apart(pair: DiagnosisPair) -> None:
    nobody, nothing = ServerAccess("nobody"), ExpectedReplication()
    evidence = collect_evidence(pair.cluster, "app=primary", f"app={NAME}", nobody, nothing)
    diagnosis = diagnose(evidence)
    assert diagnosis.kinds == {"no-session"}
    assert 'role "nobody" does not exist' in diagnosis.findings[0].evidence[0]
    assert len(diagnosis) == 2
    assert isinstance(evidence.log, Table)


def test_a_log_that_the_collector_writes_is_read_too(pair: DiagnosisPair) -> None:
    set_system(pair.standby, "logging_collector", "on")
    pair.restart_standby()
    pair.healthy()
    pair.primary.execute("ALTER ROLE replicator PASSWORD 'another'", what="another password")
    pair.cut()
    pair.found("wrong-password")
    seen = pair.evidence()
    assert any("password authentication failed" in line.text for line in seen.standbys[0].log)
    assert "password authentication failed" in str(seen.log)
