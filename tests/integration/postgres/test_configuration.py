"""Settings and pg_hba.conf on real servers: planned, validated, applied once, put back, undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pgnb.cluster import Cluster
from pgnb.core.checks import verify
from pgnb.core.errors import ChangeFailed, GateClosed, ParameterError, ServerError, VerificationFailed
from pgnb.core.wait import wait_until
from pgnb.postgres import Client, HbaRule, Server, find_server, pod_networks
from pgnb.postgres.config.configmap import plan_config_map
from pgnb.postgres.config.configure import plan_settings
from pgnb.postgres.config.files import read_file
from pgnb.postgres.config.hba import explain_hba, plan_hba
from pgnb.postgres.config.mounted import manifest_of, wait_mounted
from pgnb.postgres.config.restart import plan_restart
from pgnb.postgres.roles import plan_role

WISHES = {
    "wal_keep_size": "256MB",
    "max_slot_wal_keep_size": "896MB",
    "wal_level": "logical",
    "hot_standby": True,
}


def files(server: Server) -> dict[str, str | None]:
    facts = server.facts
    folder = facts.config_file.rpartition("/")[0]
    paths = (
        facts.config_file,
        facts.hba_file,
        f"{folder}/pgnb.conf",
        f"{facts.data_directory}/postgresql.auto.conf",
    )
    return {path: read_file(server, path) for path in paths}


def append(server: Server, path: str, line: str) -> None:
    """Somebody edits a file by hand."""
    text = (read_file(server, path) or "") + line + "\n"
    server.cluster.exec(server.pod, ["tee", path], stdin=text.encode(), changes="edit by hand")


@pytest.fixture
def restored(server: Server):
    """The server, whose files are afterwards as they were."""
    before = files(server)
    yield server
    for path, text in before.items():
        if text is None:
            server.cluster.exec(server.pod, ["rm", "-f", path], changes="tidy up")
        elif read_file(server, path) != text:
            server.cluster.exec(server.pod, ["tee", path], stdin=text.encode(), changes="tidy up")
    server.execute("SELECT pg_reload_conf()")


def test_a_file_that_is_not_utf_8_is_named_and_stays_as_it_is(server: Server):
    path = server.facts.hba_file
    text = (read_file(server, path) or "").encode()

    def put(content: bytes) -> None:
        server.cluster.exec(server.pod, ["tee", path], stdin=content, changes="edit by hand")

    put(text + "# 設定\n".encode("euc-jp"))
    try:
        with pytest.raises(ServerError, match=r"pg_hba\.conf is not UTF-8") as caught:
            plan_hba(server, [HbaRule("host", "replication", "replicator", "10.0.0.0/8")])
    finally:
        put(text)
    assert "iconv" in caught.value.remedy


def test_what_takes_a_reload_is_in_force_and_what_takes_a_restart_is_told(restored: Server):
    change = plan_settings(restored, WISHES)
    assert "wal_keep_size = '256MB'" in change.diff
    assert [setting.name for setting in change.waiting] == ["wal_level"]
    assert change.apply().changed
    assert restored.settings(WISHES)["wal_keep_size"].value == "256"
    assert restored.settings(WISHES)["wal_keep_size"].source.endswith("pgnb.conf:3")
    verify(restored.settings(WISHES).checks)
    with pytest.raises(VerificationFailed, match="not as wanted"):
        verify(restored.settings(WISHES).checks_for(restart_allowed=True))
    assert not restored.settings(WISHES).waiting


def test_the_second_run_changes_nothing(restored: Server):
    plan_settings(restored, WISHES, write_restart=True).apply()
    assert restored.settings(WISHES)["wal_level"].pending_restart
    before = files(restored)
    again = plan_settings(restored, WISHES, write_restart=True)
    assert not again
    assert not again.apply().changed
    assert files(restored) == before


def test_the_undo_leaves_every_file_as_it_was(restored: Server):
    before = files(restored)
    applied = plan_settings(restored, WISHES, write_restart=True).apply()
    assert files(restored) != before
    assert applied.undo is not None
    applied.undo().apply()
    assert files(restored) == before
    assert restored.settings(["wal_keep_size"])["wal_keep_size"].value == "0"


def test_a_setting_of_alter_system_stays_there(restored: Server):
    restored.execute("ALTER SYSTEM SET work_mem = '5MB'")
    applied = plan_settings(restored, {"work_mem": "6MB"}).apply()
    assert (
        restored.settings(["work_mem"])["work_mem"].source.rpartition(":")[0].endswith("postgresql.auto.conf")
    )
    assert "work_mem" not in (files(restored)[f"{restored.facts.data_directory}/pgnb.conf"] or "")
    assert applied.undo is not None
    applied.undo().apply()
    assert restored.settings(["work_mem"])["work_mem"].shown == "5MB"


def test_a_value_that_only_the_server_can_refuse_is_put_back_before_any_reload(restored: Server):
    before, loaded = files(restored), restored.scalar("SELECT pg_conf_load_time()")
    change = plan_settings(restored, {"log_timezone": "Mars/Phobos", "work_mem": "9MB"})
    with pytest.raises(ChangeFailed) as refused:
        change.apply()
    assert "log_timezone" in refused.value.found
    assert "restored" in refused.value.remedy
    assert files(restored) == before
    assert restored.scalar("SELECT pg_conf_load_time()") == loaded


def test_a_restart_setting_that_the_server_would_not_take_is_put_back(restored: Server):
    before = files(restored)
    change = plan_settings(
        restored, {"unix_socket_permissions": "0777", "cluster_name": "ab\tc"}, write_restart=True
    )
    change.apply()
    assert restored.settings(["cluster_name"])["cluster_name"].pending_restart
    change = plan_settings(restored, {"recovery_target_lsn": "nonsense"}, write_restart=True)
    now = files(restored)
    with pytest.raises(ChangeFailed, match="recovery_target_lsn"):
        change.apply()
    assert files(restored) == now != before


def test_a_combination_that_would_keep_the_server_from_starting_is_stopped(restored: Server):
    before = files(restored)
    with pytest.raises(GateClosed, match="wal_level"):
        plan_settings(restored, {"wal_level": "minimal"}, write_restart=True).apply()
    with pytest.raises(GateClosed, match="no_such_library"):
        plan_settings(restored, {"shared_preload_libraries": "no_such_library"}, write_restart=True).apply()
    assert files(restored) == before


def test_a_bad_line_of_somebody_else_stops_before_anything_is_written(restored: Server):
    append(restored, restored.facts.data_directory + "/postgresql.auto.conf", "no_such_setting = 'x'")
    before = files(restored)
    with pytest.raises(GateClosed, match="no_such_setting"):
        plan_settings(restored, {"work_mem": "9MB"}).apply()
    assert files(restored) == before


def test_files_that_changed_since_the_plan_stop_it(restored: Server):
    change = plan_settings(restored, {"work_mem": "9MB"})
    append(restored, restored.facts.config_file, "# by hand")
    with pytest.raises(GateClosed, match="plan again"):
        change.apply()


def test_a_line_below_the_include_is_won_over(restored: Server):
    plan_settings(restored, {"work_mem": "9MB"}).apply()
    append(restored, restored.facts.config_file, "work_mem = '3MB'")
    plan_settings(restored, {"work_mem": "10MB"}).apply()
    assert restored.settings(["work_mem"])["work_mem"].shown == "10MB"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"wal_kep_size": "1GB"}, "did you mean wal_keep_size"),
        ({"wal_keep_size": "1 parsec"}, "one of the units"),
        ({"wal_level": "hot"}, "minimal, replica, logical"),
        ({"block_size": 4096}, "fixed at initdb or build"),
    ],
)
def test_wishes_that_cannot_be_granted_are_refused_with_a_way_out(server: Server, wanted, words):
    with pytest.raises(ParameterError) as refused:
        plan_settings(server, wanted)
    assert words in str(refused.value)


def test_a_setting_of_the_command_line_is_refused_with_the_place_to_change_it(find: Callable[..., Server]):
    fixed = find("fixed", args=("-c", "wal_keep_size=64MB"))
    with pytest.raises(ParameterError) as refused:
        plan_settings(fixed, {"wal_keep_size": "1GB"})
    assert "command line" in refused.value.found
    assert "spec.template" in refused.value.remedy
    assert not plan_settings(fixed, {"wal_keep_size": "64MB"})


def test_rules_decide_and_are_there_once(restored: Server):
    rules = [HbaRule("host", "replication", "replicator", one) for one in pod_networks(restored)]
    change = plan_hba(restored, rules)
    assert "replicator" in change.diff
    applied = change.apply()
    seen = explain_hba(restored, "", "replicator", restored.pod.ip, replication=True)
    assert seen.lets_in
    assert "decides" in str(seen)
    assert not plan_hba(restored, rules)
    assert applied.undo is not None
    applied.undo().apply()
    assert not explain_hba(restored, "", "replicator", restored.pod.ip, replication=True).lets_in


def test_a_rule_that_the_server_refuses_is_put_back(restored: Server):
    before = files(restored)
    with pytest.raises(ChangeFailed, match="not changed"):
        plan_hba(restored, [HbaRule("host", "all", "x", "all", "ldap", "no_such=option")]).apply()
    assert files(restored) == before


def test_a_rule_that_would_shut_pgnb_out_is_stopped(restored: Server):
    before = files(restored)
    with pytest.raises(GateClosed, match="own connection"):
        plan_hba(restored, [HbaRule("host", "all", "postgres", "127.0.0.0/8", "reject")]).apply()
    assert files(restored) == before


def test_a_bad_line_in_pg_hba_stops_a_change_of_it(restored: Server):
    append(restored, restored.facts.hba_file, "host all all 10.0.0.0/8 no_such_method")
    with pytest.raises(GateClosed, match="no_such_method"):
        plan_hba(restored, [HbaRule("host", "replication", "replicator", "10.0.0.0/8")]).apply()


def test_the_rules_explain_who_gets_in(server: Server):
    assert explain_hba(server, "postgres", "postgres", "127.0.0.1").lets_in
    assert explain_hba(server, "postgres", "app", "192.0.2.1").deciding is not None
    assert explain_hba(server, "", "app", "192.0.2.1", replication=True).deciding is None
    assert "No rule admits" in str(explain_hba(server, "", "app", "192.0.2.1", replication=True))
    assert Client("postgres", "app").address == ""


def test_a_plan_only_run_plans_and_leaves_everything_as_it_is(planning: Cluster, server: Server):
    planned = find_server(planning, server.selector, password="secret:primary/password")
    before = files(server)
    try:
        settings = plan_settings(planned, WISHES, write_restart=True)
        rules = plan_hba(planned, [HbaRule("host", "replication", "replicator", "10.0.0.0/8")])
        config_map = plan_config_map(planned, "never", WISHES)
        role = plan_role(planned, "never", "never")
        restart = plan_restart(planned, reason="a test")
        for change in (settings, rules, config_map, role, restart):
            assert change
            assert not change.apply().changed
    finally:
        planned.close()
    assert files(server) == before
    assert planning.get("configmaps", "never") is None
    assert planning.get("secrets", "never") is None
    assert server.query("role", {"role": "never"}) == []


@pytest.fixture(scope="module")
def mounted(cluster: Cluster, find: Callable[..., Server]) -> Server:
    """A server whose pg_hba.conf and postgresql.conf are mounted from a ConfigMap."""
    data = {
        "hba": "local all all trust\nhost all all 127.0.0.1/32 trust\n",
        "postgresql.conf": "listen_addresses = '*'\nhba_file = '/etc/postgresql/pg_hba.conf'\n",
    }
    cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mounted"}, "data": data})
    items = [{"key": "hba", "path": "pg_hba.conf"}, {"key": "postgresql.conf", "path": "postgresql.conf"}]

    def patch(obj: dict[str, Any]) -> None:
        template = obj.get("spec", {}).get("template")
        if template is not None:
            spec = template["spec"]
            spec["volumes"].append({"name": "config", "configMap": {"name": "mounted", "items": items}})
            mount = {"name": "config", "mountPath": "/etc/postgresql"}
            spec["containers"][0]["volumeMounts"].append(mount)

    return find("mounted", args=("-c", "config_file=/etc/postgresql/postgresql.conf"), patch=patch)


def test_where_the_main_file_is_mounted_settings_go_by_alter_system(mounted: Server):
    applied = plan_settings(mounted, {"wal_keep_size": "32MB"}).apply()
    setting = mounted.settings({"wal_keep_size": "32MB"})["wal_keep_size"]
    assert setting.met
    assert "postgresql.auto.conf" in setting.source
    assert not plan_settings(mounted, {"wal_keep_size": "32MB"})
    assert applied.undo is not None
    applied.undo().apply()
    assert mounted.settings(["wal_keep_size"])["wal_keep_size"].value == "0"


def test_where_pg_hba_is_mounted_the_config_map_is_changed_and_the_mount_waited_for(mounted: Server):
    rules = [HbaRule("host", "replication", "replicator", "10.0.0.0/8")]
    applied = plan_hba(mounted, rules).apply()
    stands = (mounted.cluster.get("configmaps", "mounted") or {})["data"]["hba"]
    assert rules[0].line in stands
    assert read_file(mounted, "/etc/postgresql/pg_hba.conf") == stands
    assert explain_hba(mounted, "", "replicator", "10.1.1.1", replication=True).lets_in
    assert not plan_hba(mounted, rules)
    assert applied.undo is not None
    applied.undo().apply()
    assert not explain_hba(mounted, "", "replicator", "10.1.1.1", replication=True).lets_in


def test_a_mount_that_lags_behind_its_config_map_is_waited_for_and_nothing_that_stands_there_is_lost(
    mounted: Server,
):
    """A kubelet shows a changed ConfigMap up to a minute later."""
    rules = [HbaRule("host", "replication", "replicator", "10.9.0.0/16")]
    data = (mounted.cluster.get("configmaps", "mounted") or {})["data"]
    somebody = {"hba": data["hba"] + "host all auditor 10.8.0.0/16 reject\n"}
    mounted.cluster.apply(manifest_of(mounted.cluster, "mounted", somebody), force=True)
    change = plan_hba(mounted, rules)
    wait_mounted(mounted, "/etc/postgresql/pg_hba.conf", somebody["hba"])
    assert change.apply().changed
    assert "auditor" in (read_file(mounted, "/etc/postgresql/pg_hba.conf") or "")
    asked = (mounted.cluster.get("configmaps", "mounted") or {})["data"]["hba"]
    mounted.cluster.apply(manifest_of(mounted.cluster, "mounted", {"hba": data["hba"]}), force=True)
    wait_mounted(mounted, "/etc/postgresql/pg_hba.conf", data["hba"])
    mounted.cluster.apply(manifest_of(mounted.cluster, "mounted", {"hba": asked}), force=True)
    plan_hba(mounted, rules).apply()
    assert read_file(mounted, "/etc/postgresql/pg_hba.conf") == asked
    assert not plan_hba(mounted, rules)


def test_a_config_map_that_lost_its_key_is_not_taken_for_an_empty_file(mounted: Server):
    """The kubelet goes on showing the last text, with which the server runs well."""
    found = mounted.cluster.get("configmaps", "mounted") or {}
    kept = found["data"]["hba"]
    mounted.cluster.patch("configmaps", "mounted", {"data": {"hba": None}}, "lose a key")
    try:
        with pytest.raises(ParameterError, match="mounted from a ConfigMap key that does not exist"):
            plan_hba(mounted, [HbaRule("host", "replication", "replicator", "10.6.0.0/16")])
    finally:
        mounted.cluster.patch("configmaps", "mounted", {"data": {"hba": kept}}, "put it back")
    assert not plan_hba(mounted, [])


def test_rules_that_were_written_and_not_loaded_are_loaded(restored: Server):
    """As a run leaves them that was killed between the two."""
    path = restored.facts.hba_file or ""
    rules = [HbaRule("host", "replication", "replicator", "10.7.0.0/16")]
    plan_hba(restored, rules).apply()
    wait_until(
        "the file to be younger than the last reload",
        lambda: restored.cluster.exec(restored.pod, ["touch", path], changes="edit by hand"),
        lambda _: bool(plan_hba(restored, rules)),
        timeout=10.0,
        every=0.2,
        remedy="",
    )
    assert plan_hba(restored, rules).apply().changed
    assert not plan_hba(restored, rules)


def test_a_mounted_text_that_the_server_refuses_is_put_back(mounted: Server):
    before = (mounted.cluster.get("configmaps", "mounted") or {})["data"]
    with pytest.raises(ChangeFailed, match="does not accept"):
        plan_hba(mounted, [HbaRule("host", "all", "x", "10.0.0.0/8", "ldap", "no_such=option")]).apply()
    assert (mounted.cluster.get("configmaps", "mounted") or {})["data"] == before
