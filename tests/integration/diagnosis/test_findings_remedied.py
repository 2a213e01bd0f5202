"""Each cause is really created, found as exactly that cause, and absent after its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from diagnosis_pair import NAME, ROLE, SECRET, SLOT, DiagnosisPair, altered, carry_out, caught_up, set_system

from pgnb.cluster import connect
from pgnb.core.checks import verify
from pgnb.core.errors import VerificationFailed
from pgnb.core.wait import wait_until
from pgnb.physical import plan_slot
from pgnb.postgres.config.restart import plan_restart
from pgnb.postgres.roles import plan_role

SOURCE = f"host=primary user={ROLE} application_name={NAME} passfile=/run/pgnb/passfile"
RECEIVE = f"pg_receivewal -h primary -U {ROLE} -w"
ONE = f"{RECEIVE} -S {SLOT} -D /tmp"
MANY = f"for i in 0 1 2 3 4 5 6 7 8 9; do mkdir /tmp/$i; {RECEIVE} -D /tmp/$i & done; wait"


@pytest.fixture(autouse=True)
def healthy_before_and_after(pair: DiagnosisPair):
    """Nothing is found of a healthy pair, before each cause and after its removal."""
    pair.healthy()
    yield
    pair.healthy()


def conninfo(pair: DiagnosisPair) -> str:
    return str(pair.standby.scalar("SHOW primary_conninfo"))


def test_a_healthy_pair_has_no_finding_and_nothing_is_changed(pair: DiagnosisPair, kubeconfig: Path) -> None:
    planning = connect(str(kubeconfig), "", pair.cluster.namespace, dry_run=True)
    diagnosis = DiagnosisPair(planning, pair.primary, pair.standby).look()
    assert diagnosis.findings == ()
    assert diagnosis.sentence.startswith("Nothing is wrong with")
    assert diagnosis.checks(planning.journal).ok
    assert planning.journal.entries == []
    assert str(diagnosis.map).count("✓") == 16
    planning.close()


def test_wrong_password_of_the_role(pair: DiagnosisPair) -> None:
    pair.primary.execute("ALTER ROLE replicator PASSWORD 'another'", what="another password")
    pair.cut()
    finding = pair.found("wrong-password")
    assert "is not the one in the Secret replication" in finding.cause
    assert any("password authentication failed" in line for line in finding.evidence)
    assert "another" not in str(finding).replace("another one", "")
    carry_out(plan_role(pair.primary, ROLE, SECRET))


def test_pg_hba_conf_rejects(pair: DiagnosisPair) -> None:
    path = pair.primary.facts.hba_file
    pair.write(pair.primary, path, f"1i host replication {ROLE} all reject")
    pair.primary.execute("SELECT pg_reload_conf()")
    pair.cut_off()
    finding = pair.found("hba-rejects")
    assert "A rule that rejects comes first" in finding.cause
    assert any(f"{path}:1 (reject)" in line for line in finding.evidence)
    pair.write(pair.primary, path, "1d")
    pair.primary.execute("SELECT pg_reload_conf()")


def test_primary_unreachable_by_name(pair: DiagnosisPair) -> None:
    with altered(pair.standby, "primary_conninfo", conninfo(pair).replace("primary", "primari", 1)):
        finding = pair.found("unreachable")
        assert any("primari:5432: the name does not resolve" in line for line in finding.evidence)
        assert "primary_conninfo is wrong" in finding.cause


def test_nobody_answers_behind_the_name(pair: DiagnosisPair) -> None:
    service = {"spec": {"selector": {"app": "nobody"}}}
    pair.cluster.patch("services", "primary", service, "lead it nowhere")
    pair.cut()
    finding = pair.found("unreachable")
    assert any("nothing answers on the port" in line for line in finding.evidence)
    assert "no Ready endpoint" in finding.cause
    pair.cluster.patch("services", "primary", {"spec": {"selector": {"app": "primary"}}}, "lead it back")


def test_role_without_replication(pair: DiagnosisPair) -> None:
    pair.primary.execute("ALTER ROLE replicator NOREPLICATION")
    pair.cut()
    finding = pair.found("no-replication")
    assert "lacks REPLICATION" in finding.cause
    pair.primary.execute("ALTER ROLE replicator REPLICATION")


def test_no_walsender_is_free(pair: DiagnosisPair) -> None:
    with pair.without_stream(), pair.consumers(MANY):
        set_system(pair.standby, "primary_conninfo", SOURCE)
        finding = pair.found("no-free-sender")
        assert sum("pg_receivewal from" in line for line in finding.evidence) == 10


def test_slot_missing(pair: DiagnosisPair) -> None:
    with pair.without_stream():
        pair.primary.query("SELECT pg_drop_replication_slot(%s)", (SLOT,))
    finding = pair.found("slot-missing")
    assert finding.subject == pair.standby.name
    assert f"no slot {SLOT}" in finding.cause
    carry_out(plan_slot(pair.primary, SLOT))


def test_standby_set_to_a_slot_that_is_not_there(pair: DiagnosisPair) -> None:
    with altered(pair.standby, "primary_slot_name", "mistyped"):
        finding = pair.found("slot-missing")
        assert "no slot mistyped" in finding.cause


def test_slot_in_use_by_another(pair: DiagnosisPair) -> None:
    with pair.without_stream(), pair.consumers(ONE):
        set_system(pair.standby, "primary_conninfo", SOURCE)
        finding = pair.found("slot-in-use")
        assert "Another standby streams from it" in finding.cause
        assert any("pg_receivewal" in line for line in finding.evidence)
        # A receiver that retries reports streaming for a moment.
        assert not any("application-name" in pair.look().kinds for _ in range(10))


def test_standby_streams_without_its_slot(pair: DiagnosisPair) -> None:
    with altered(pair.standby, "primary_slot_name", ""):
        assert SLOT in pair.found("slot-not-used").remedy


def test_slot_that_no_standby_is_set_to(pair: DiagnosisPair) -> None:
    pair.primary.query("SELECT pg_create_physical_replication_slot('orphan', true)")
    assert pair.found("slot-for-nobody").subject == "slot orphan"
    pair.primary.query("SELECT pg_drop_replication_slot('orphan')")


def test_replay_paused(pair: DiagnosisPair) -> None:
    pair.standby.query("SELECT pg_wal_replay_pause()")
    finding = pair.found("replay-paused")
    assert "pg_wal_replay_resume()" in finding.remedy
    pair.standby.query("SELECT pg_wal_replay_resume()")


def test_receiver_dead_since_it_has_no_source(pair: DiagnosisPair) -> None:
    with pair.without_stream():
        finding = pair.found("receiver-dead")
        assert "names no server" in finding.cause


def test_receiver_dead_though_it_says_that_it_streams(pair: DiagnosisPair) -> None:
    with altered(pair.standby, "wal_receiver_timeout", "2s"):
        pid = str(pair.standby.scalar("SELECT pid FROM pg_stat_wal_receiver"))
        pair.cluster.exec(pair.standby.pod, ["kill", "-STOP", pid], changes="stop the receiver")
        try:
            finding = pair.found("receiver-dead")
            assert "half open" in finding.cause
            assert "streaming, last message" in finding.evidence[0]
        finally:
            pair.cluster.exec(pair.standby.pod, ["kill", "-CONT", pid], changes="let it go on")


def test_disk_nearly_full(pair: DiagnosisPair) -> None:
    directory = pair.primary.facts.data_directory
    free = pair.evidence().observed[0].disk
    assert free is not None
    limit = 100 * (free.free - 2**30) / free.size
    assert pair.look(min_free=limit).kinds == set()
    filler = f"{directory}/filler"
    argv = ["fallocate", "-l", "3G", filler]
    pair.cluster.exec(pair.primary.pod, argv, changes="fill the disk")
    try:
        seen = pair.look(min_free=limit)
    finally:
        pair.cluster.exec(pair.primary.pod, ["rm", filler], changes="free it")
    finding = seen.find("disk-nearly-full", pair.primary.name)
    assert finding is not None
    assert "free" in finding.evidence[0]
    assert pair.look(min_free=limit).kinds == set()


def test_broken_line_in_postgresql_conf(pair: DiagnosisPair) -> None:
    path = pair.standby.facts.config_file
    pair.write(pair.standby, path, "$a shared_bufers = 128MB")
    finding = pair.found("broken-configuration")
    assert finding.subject == pair.standby.name
    assert any("shared_bufers" in line and path in line for line in finding.evidence)
    pair.write(pair.standby, path, "$d")


def test_broken_line_in_pg_hba_conf(pair: DiagnosisPair) -> None:
    path = pair.primary.facts.hba_file
    pair.write(pair.primary, path, "$a hosst all all 10.0.0.0/8 trust")
    finding = pair.found("broken-hba")
    assert any("hosst" in line and path in line for line in finding.evidence)
    pair.write(pair.primary, path, "$d")


def test_application_name_not_in_force(pair: DiagnosisPair) -> None:
    path, whole = pair.standby.facts.config_file, conninfo(pair)
    pair.write(pair.standby, path, f"$a primary_conninfo = '{whole}'")
    with altered(pair.standby, "primary_conninfo", whole.replace(f"application_name={NAME}", "")):
        finding = pair.found("application-name")
        assert "'walreceiver', expected 'standby'" in finding.evidence[0]
        assert any(path in line and "standby" in line for line in finding.evidence)
        assert any("postgresql.auto.conf" in line and "not set" in line for line in finding.evidence)
        # Without an expected name, the one in a file counts.
        assert pair.look(application_name="").kinds == {"application-name"}
    pair.write(pair.standby, path, "$d")


def test_no_pod_of_a_selector(pair: DiagnosisPair) -> None:
    finding = pair.found("no-pod", standby_selector="app=nobody")
    assert "app=nobody" in finding.subject
    with pytest.raises(VerificationFailed, match="Diagnosis: not as wanted"):
        verify(pair.look(standby_selector="app=nobody").checks(pair.cluster.journal))


def test_a_selector_that_means_another_server(pair: DiagnosisPair) -> None:
    standby_for_primary = {"primary_selector": f"app={NAME}", "standby_selector": "app=nobody"}
    assert "is a standby" in pair.found("no-primary", "no-pod", **standby_for_primary).cause
    finding = pair.found("several-pods", primary_selector=f"app in (primary, {NAME})")
    assert len(finding.evidence) == 2


def test_a_setting_waits_then_is_too_low_then_waits_on_the_standby(pair: DiagnosisPair) -> None:
    set_system(pair.primary, "max_connections", "120")
    assert "max_connections" in pair.found("pending-restart").evidence[0]
    carry_out(plan_restart(pair.primary, reason="a test"), allow_restart=True)
    pair.primary.reopen()
    finding = pair.found("setting-too-low")
    assert "max_connections = 100, the primary has 120" in finding.evidence
    wait_until(
        "replay to stop",
        lambda: pair.look().find("setting-too-low").cause,
        lambda cause: cause.startswith("Replay has stopped"),
        timeout=60,
    )
    set_system(pair.standby, "max_connections", "120")
    pair.found("setting-too-low", "pending-restart")
    pair.restart_standby()
    caught_up(pair)
