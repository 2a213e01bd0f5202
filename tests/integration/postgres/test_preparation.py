"""Section 1's checks, the replication role, the ConfigMap and the planned restart on real servers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pgnb.core.checks import gate, verify
from pgnb.core.errors import GateClosed, ParameterError, PodError, QueryFailed
from pgnb.core.plan import gate as gate_change
from pgnb.postgres import HbaRule, Server, compose, find_server, identifier, role_checks
from pgnb.postgres.config.configmap import drift, plan_config_map, read_config_map
from pgnb.postgres.config.configure import plan_settings
from pgnb.postgres.config.hba import explain_hba, plan_hba
from pgnb.postgres.config.restart import plan_pending_restart, plan_restart
from pgnb.postgres.preflight import preflight
from pgnb.postgres.roles import plan_role
from pgnb.postgres.scram import verifier_of
from pgnb.postgres.standbys import find_standbys
from tests.versions import majors

CONFIG = "postgres-primary-config"
WISHES = {"wal_keep_size": "256MB", "max_wal_senders": ">= 5", "wal_level": ">= replica"}
RULE = HbaRule("host", "replication", "replicator", "10.244.0.0/16")


def failed(server: Server) -> dict[str, str]:
    return {check.name: str(check.found) for check in preflight(server) if not check.ok}


def test_an_ordinary_primary_passes_and_gets_advice(server: Server):
    checks = gate(preflight(server))
    assert checks.ok
    found = {check.name: check for check in checks}
    assert found["version"].found == server.facts.version_text
    assert "claim primary" in str(found["data outlives the pod"].found)
    assert found["update strategy"].found == "Recreate"
    assert found["tools in the image"].ok
    assert {check.name for check in checks if check.advice and not check.ok} == {
        "pg_rewind possible later",
        "TLS",
        "a backup",
        "TCP connections need a password",
    }
    assert "127.0.0.1" in str(found["TCP connections need a password"].found)


def test_what_goes_on_in_the_server_is_seen(server: Server):
    server.execute("SELECT pg_create_physical_replication_slot('seen', true)")
    server.execute(compose("CREATE DATABASE {}", identifier("plain")))
    try:
        checks = {check.name: check for check in preflight(server)}
        assert checks["replication slots"].found == "seen"
        assert str(checks["databases"].found).startswith("2, ")
        assert "plain" in str(server.databases())
    finally:
        server.execute("SELECT pg_drop_replication_slot('seen')")
        server.execute(compose("DROP DATABASE {}", identifier("plain")))


def test_too_little_room_stops(server: Server):
    with pytest.raises(GateClosed, match="free on the data volume"):
        gate(preflight(server, wal_reserve=2**60))


def test_data_that_would_not_outlive_the_pod_stops(find: Callable[..., Server]):
    def patch(obj: dict[str, Any]) -> None:
        template = obj.get("spec", {}).get("template")
        if template is not None:
            template["spec"]["volumes"] = [{"name": "data", "emptyDir": {}}]
            obj["spec"]["strategy"] = {"type": "RollingUpdate"}

    fleeting = find("fleeting", patch=patch)
    found = failed(fleeting)
    assert "emptyDir" in found["data outlives the pod"]
    assert found["update strategy"] == "RollingUpdate"
    restart = plan_restart(fleeting, reason="a test")
    gate_change(restart, allow_restart=True)
    with pytest.raises(GateClosed, match="outlives the pod"):
        restart.apply()


def test_a_login_with_few_rights_gets_as_far_as_they_reach(server: Server):
    server.execute(compose("CREATE ROLE watcher LOGIN PASSWORD {}", verifier_of("w")), what="a watcher")
    server.execute("GRANT pg_monitor TO watcher")
    limited = find_server(server.cluster, server.selector, user="watcher")
    try:
        assert limited.facts.system_identifier == server.facts.system_identifier
        assert limited.facts.data_directory == server.facts.data_directory
        assert not limited.facts.superuser
        assert preflight(limited).ok
        assert limited.settings(["wal_level"])["wal_level"].value == "replica"
        with pytest.raises(QueryFailed) as refused:
            plan_settings(limited, {"work_mem": "9MB"})
        assert refused.value.sqlstate == "42501"
        assert "pg_read_all_settings" in refused.value.remedy
    finally:
        limited.close()
        server.execute("DROP ROLE watcher")


def role_attributes(server: Server, role: str) -> tuple[bool, bool, bool]:
    wanted = "SELECT rolcanlogin, rolreplication, rolsuper FROM pg_roles WHERE rolname = %(role)s"
    (row,) = server.session("postgres").execute(wanted, {"role": role})
    return row["rolcanlogin"], row["rolreplication"], row["rolsuper"]


def test_the_role_is_made_with_a_password_that_nothing_shows(server: Server):
    change = plan_role(server, "replicator", "replication")
    assert "replicator" in change.diff
    applied = change.apply()
    password = server.cluster.secret_value("replication", "password").reveal()
    assert len(password) >= 32
    assert role_attributes(server, "replicator") == (True, True, False)
    verify(role_checks(server, "replicator", "replication"))
    shown = f"{change}{applied}{server.journal.table}"
    assert password not in shown
    assert "SCRAM-SHA-256$" not in shown
    log = "".join(line.text for line in server.cluster.logs(server.pod, tail=500))
    assert password not in log
    assert not plan_role(server, "replicator", "replication")


def test_the_role_signs_in_with_the_secrets_password(server: Server):
    plan_role(server, "replicator", "replication").apply()
    rules = [HbaRule("host", "postgres", "replicator", "127.0.0.1/32")]
    applied = plan_hba(server, rules).apply()
    assert applied.undo is not None
    signed_in = find_server(
        server.cluster, server.selector, user="replicator", password="secret:replication/password"
    )
    try:
        assert signed_in.facts.login == "replicator"
    finally:
        signed_in.close()
        applied.undo().apply()


def test_a_role_that_lacks_something_is_altered_and_its_secret_respected(server: Server):
    server.execute("CREATE ROLE partial NOLOGIN PASSWORD NULL VALID UNTIL '2001-01-01'")
    server.cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "partial"},
            "stringData": {"password": "päss wörd"},
        }
    )
    change = plan_role(server, "partial", "partial")
    assert "ALTER ROLE partial LOGIN REPLICATION VALID UNTIL" in str(change)
    change.apply()
    assert role_attributes(server, "partial") == (True, True, False)
    verify(role_checks(server, "partial", "partial"))
    assert server.cluster.secret_value("partial", "password").reveal() == "päss wörd"
    server.execute(compose("ALTER ROLE partial PASSWORD {}", verifier_of("another")), what="another")
    assert "another one" in str(role_checks(server, "partial", "partial"))
    plan_role(server, "partial", "partial").apply()
    verify(role_checks(server, "partial", "partial"))
    server.execute("DROP ROLE partial")


def test_the_undo_removes_role_and_secret(server: Server):
    applied = plan_role(server, "passing", "passing").apply()
    assert applied.undo is not None
    applied.undo().apply()
    assert server.query("role", {"role": "passing"}) == []
    assert server.cluster.get("secrets", "passing") is None


@pytest.mark.parametrize("role", ["", "pg_replicator", "public", "x" * 64])
def test_a_name_that_no_role_can_have_is_refused(server: Server, role):
    with pytest.raises(ParameterError, match="not a valid role name"):
        plan_role(server, role, "replication")


def test_a_config_map_is_made_kept_and_held_against_the_server(server: Server):
    change = plan_config_map(server, CONFIG, WISHES, [RULE])
    change.apply()
    data = server.cluster.get("configmaps", CONFIG)["data"]
    assert "wal_keep_size = '256MB'" in data["postgresql.conf"]
    assert "max_wal_senders = '10'" in data["postgresql.conf"]
    assert RULE.line in data["pg_hba.conf"]
    assert not plan_config_map(server, CONFIG, WISHES, [RULE])
    asked = read_config_map(server, CONFIG)
    assert asked.rules == (RULE,)
    apart = {check.name for check in drift(server, CONFIG) if not check.ok}
    assert apart == {"wal_keep_size", RULE.line}
    settings = plan_settings(server, asked.settings).apply()
    rules = plan_hba(server, asked.rules).apply()
    assert all(check.ok for check in drift(server, CONFIG))
    for applied in (settings, rules):
        assert applied.undo is not None
        applied.undo().apply()


def test_a_config_maps_other_lines_are_kept(server: Server):
    text = "# ours\nwork_mem = 8MB   # small\nlog_statement = 'ddl'\nwal_keep_size = 0.25GB\n"
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}}
    server.cluster.create({**manifest, "data": {"postgresql.conf": text, "notes": "n"}})
    applied = plan_config_map(server, "kept", {**WISHES, "work_mem": "9MB"}).apply()
    data = server.cluster.get("configmaps", "kept")["data"]
    assert data["notes"] == "n"
    assert data["postgresql.conf"].startswith(
        text.replace("work_mem = 8MB   # small", "work_mem = '9MB'  # small")
    )
    assert applied.undo is not None
    applied.undo().apply()
    assert server.cluster.get("configmaps", "kept")["data"] == {"postgresql.conf": text, "notes": "n"}


def test_what_the_server_would_refuse_is_not_written_into_a_config_map(server: Server):
    with pytest.raises(ParameterError, match="wal_keep_size"):
        plan_config_map(server, "refused", {"wal_keep_size": "much"})
    server.cluster.create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "odd"},
            "data": {"postgresql.conf": "wal_keep_size = much\nno_such = 1\nwork_mem = 4MB\n"},
        }
    )
    assert {check.name for check in drift(server, "odd") if not check.ok} == {"wal_keep_size", "no_such"}


@pytest.mark.parametrize("strategy", ["Recreate", "RollingUpdate"])
def test_a_restart_brings_the_same_server_in_another_pod(find: Callable[..., Server], strategy: str):
    def patch(obj: dict[str, Any]) -> None:
        if "strategy" in obj.get("spec", {}):
            obj["spec"]["strategy"] = {"type": strategy}

    restarted = find(f"restart-{strategy.lower()}", patch=patch)
    wishes = {"wal_level": "logical", "wal_log_hints": True}
    plan_settings(restarted, wishes, write_restart=True).apply()
    before, pod = restarted.facts, restarted.pod.name
    change = plan_restart(restarted, reason="wal_level = logical waits for it")
    with pytest.raises(GateClosed, match="allow_restart"):
        change.apply()
    assert restarted.facts == before
    gate_change(change, allow_restart=True)
    change.apply()
    assert restarted.pod.name != pod
    now = replace(restarted.facts, started=before.started)
    assert now == before
    verify(restarted.settings(wishes).checks_for(restart_allowed=True))


@pytest.mark.long
@pytest.mark.parametrize("major", majors())
def test_another_major_version_gets_the_same(find: Callable[..., Server], major: int):
    other = find(f"postgres-{major}", image=f"postgres:{major}")
    assert other.facts.major == major
    assert preflight(other).ok
    plan_settings(other, {"wal_keep_size": "64MB"}).apply()
    verify(other.settings({"wal_keep_size": "64MB"}).checks)
    plan_hba(other, [RULE]).apply()
    assert explain_hba(other, "", "replicator", "10.244.0.9", replication=True).lets_in
    plan_role(other, "replicator", f"replication-{major}").apply()
    verify(role_checks(other, "replicator", f"replication-{major}"))


def test_a_restart_is_planned_only_where_something_waits_and_it_is_allowed(server: Server):
    wishes = {"max_replication_slots": ">= 5", "track_commit_timestamp": True}
    refused = plan_pending_restart(server, wishes, allow=False)
    assert not refused
    assert "track_commit_timestamp: off → on" in refused.note
    assert "allow_restart" in refused.note
    assert not plan_pending_restart(server, {"max_replication_slots": ">= 5"}, allow=True)
    allowed = plan_pending_restart(server, wishes, allow=True)
    assert "track_commit_timestamp" in allowed.note
    assert allowed.steps[0].what.startswith("CHECKPOINT")


def test_every_server_behind_a_selector_is_found_as_one_of_its_own(find: Callable[..., Server]):
    def patch(obj: dict[str, Any]) -> None:
        template = obj.get("spec", {}).get("template")
        if template is not None:
            template["metadata"]["labels"]["role"] = "reader"

    readers = [find(reader, patch=patch) for reader in ("reader-a", "reader-b")]
    cluster = readers[0].cluster
    with pytest.raises(PodError, match="reader"):
        cluster.pod("role=reader")
    found = find_standbys(cluster, "role=reader", at_least=2)
    assert {one.pod.name for one in found} == {reader.pod.name for reader in readers}
    assert len({one.facts.system_identifier for one in found}) == 2
    with pytest.raises(PodError, match="2 Ready pods"):
        find_standbys(cluster, "role=reader", at_least=3)
    for one in found:
        one.close()
