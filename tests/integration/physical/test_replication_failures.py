"""Failures while a standby is made: how they are reported, and what is left."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from replication_stage import ROLE, SECRET, Stage, carry_out, open_stage, spec_of

from pgnb.cluster import Object, objects
from pgnb.core.checks import Check
from pgnb.core.errors import ChangeFailed, GateClosed, ParameterError
from pgnb.core.plan import Change
from pgnb.core.wait import wait_until
from pgnb.physical import (
    BackupOptions,
    Source,
    StandbySpec,
    check_source,
    plan_base_backup,
    plan_slot,
    plan_standby_workload,
    replication_source,
    scripts,
    slots,
    standby_checks,
)
from pgnb.physical.bootstrap import Bootstrap
from pgnb.physical.collation import collation_checks, library_checks
from pgnb.physical.data_directory import DataDirectory
from pgnb.postgres import HbaRule
from pgnb.postgres.config.hba import plan_hba
from pgnb.postgres.roles import plan_role

pytestmark = pytest.mark.long

SLOT = "slot_a"


def source_of(stage: Stage) -> Source:
    return replication_source(stage.primary, role=ROLE, secret=SECRET)


def failures(stage: Stage, source: Source) -> dict[str, Check]:
    return {check.name: check for check in check_source(stage.primary, source, slot=SLOT).failed}


@contextmanager
def other_password(stage: Stage) -> Iterator[None]:
    """The Secret has another password than the role, for a while."""
    right = stage.cluster.secret_value(SECRET, "password").reveal()
    _set_password(stage, "wrong")
    try:
        yield
    finally:
        _set_password(stage, right)


def _set_password(stage: Stage, password: str) -> None:
    body = {"data": {"password": base64.b64encode(password.encode()).decode()}}
    stage.cluster.patch("secrets", SECRET, body, "change a password")


def restart_lsn(stage: Stage) -> str | None:
    found = slots(stage.primary).find(SLOT)
    assert found is not None
    return found.restart_lsn


def test_a_secret_that_is_not_there_keeps_the_helper_from_starting(stage: Stage) -> None:
    carry_out(plan_slot(stage.primary, SLOT))
    stage.primary.execute(f"CREATE ROLE {ROLE} LOGIN")
    found = failures(stage, source_of(stage))
    assert set(found) == {"a pod where the standby will run", f"role {ROLE}"}
    assert SECRET in str(found["a pod where the standby will run"].found)
    assert "NOREPLICATION" in str(found[f"role {ROLE}"].found)


def test_a_rule_that_is_missing_is_told_in_the_servers_words(stage: Stage) -> None:
    carry_out(plan_role(stage.primary, ROLE, SECRET))
    found = failures(stage, source_of(stage))
    assert set(found) == {"replication session (pg_hba.conf)"}
    check = found["replication session (pg_hba.conf)"]
    assert "no pg_hba.conf entry for replication connection from host" in str(check.found)
    assert "section 2" in check.remedy


def test_password_name_and_port_are_told_apart(stage: Stage) -> None:
    plan_hba(stage.primary, [HbaRule("host", "replication", ROLE, "10.0.0.0/8")]).apply()
    source = source_of(stage)
    assert failures(stage, source) == {}
    with other_password(stage):
        assert set(failures(stage, source)) == {"replication session (password)"}
    assert set(failures(stage, replace(source, host="nowhere"))) == {"name"}
    assert set(failures(stage, replace(source, port=5433))) == {"port"}


def test_a_role_that_may_not_replicate(stage: Stage) -> None:
    stage.primary.execute(f"ALTER ROLE {ROLE} NOREPLICATION")
    found = failures(stage, source_of(stage))
    stage.primary.execute(f"ALTER ROLE {ROLE} REPLICATION")
    assert set(found) == {"replication session (REPLICATION)", f"role {ROLE}"}


def test_a_service_that_leads_elsewhere_is_no_source(stage: Stage) -> None:
    with pytest.raises(Exception, match="does not select the primary") as refused:
        replication_source(stage.primary, role=ROLE, secret=SECRET, service="kubernetes")
    assert "postgres-primary" in str(refused.value)


def test_of_a_headless_service_and_one_with_an_address_the_latter_is_the_source(stage: Stage) -> None:
    """As charts make both; a name that follows the pods would be a source, too, but is not asked for."""
    spec = {"clusterIP": "None", "selector": {"app": "postgres-primary"}, "ports": [{"port": 5432}]}
    headless = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "nodes"}, "spec": spec}
    stage.cluster.apply(headless)
    assert replication_source(stage.primary, role=ROLE, secret=SECRET).host == "postgres-primary"
    assert replication_source(stage.primary, role=ROLE, secret=SECRET, service="nodes").host == "nodes"
    second = {key: value for key, value in spec.items() if key != "clusterIP"}
    stage.cluster.apply(headless | {"metadata": {"name": "second"}, "spec": second})
    with pytest.raises(ParameterError, match="several Services select the primary") as refused:
        replication_source(stage.primary, role=ROLE, secret=SECRET)
    stage.cluster.delete("services", "second")
    assert set(refused.value.found.split(", ")) == {"nodes", "postgres-primary", "second"}


@pytest.fixture(scope="module")
def stranger(stage: Stage, start_postgres: Callable[..., Any]) -> str:
    """A server with its own rows, adopted as a standby's workload."""
    start_postgres(stage.namespace, "stranger")
    server = stage.server("stranger")
    server.execute("CREATE TABLE precious AS SELECT generate_series(1, 10) AS n")
    server.close()
    carry_out(plan_standby_workload(stage.primary, spec_of("stranger", SLOT), source_of(stage)))
    stage.cluster.scale_and_wait(stage.cluster.find_workload("Deployment", "stranger"), 1)
    return "stranger"


def backup(stage: Stage, name: str, *, config_map: str = "", **options: Any) -> Change:
    spec = StandbySpec(name, SLOT, name, config_map=config_map)
    return plan_base_backup(stage.primary, spec, source_of(stage), **options)


def precious_rows(stage: Stage) -> int:
    server = stage.server("stranger")
    try:
        return int(server.scalar("SELECT count(*) FROM precious"))
    finally:
        server.close()


@pytest.mark.parametrize("named", ["", "postgres-primary", "yes"])
def test_data_of_somebody_else_are_not_replaced_unless_named(stage: Stage, stranger: str, named: str) -> None:
    change = backup(stage, stranger, wipe_standby_data=named)
    with pytest.raises(GateClosed, match="not confirmed") as closed:
        change.apply()
    assert "wipe_standby_data = 'stranger'" in str(closed.value)
    assert "1 files of user relations" in str(closed.value)
    assert precious_rows(stage) == 10


def test_a_backup_that_cannot_log_in_leaves_everything_as_it_was(stage: Stage, stranger: str) -> None:
    before = restart_lsn(stage)
    change = backup(stage, stranger, wipe_standby_data="stranger")
    with other_password(stage), pytest.raises(ChangeFailed) as failed:
        change.apply()
    assert "password authentication failed" in str(failed.value)
    assert "The old data directory is unchanged" in str(failed.value)
    assert "scaled to 1 again" in str(failed.value)
    _wait_back(stage)
    assert precious_rows(stage) == 10
    assert restart_lsn(stage) == before


def _wait_back(stage: Stage) -> None:
    workload = stage.cluster.find_workload("Deployment", "stranger")
    assert workload.replicas == 1
    wait_until("the former server", lambda: stage.cluster.pods("app=stranger"), _one_ready, timeout=60)


def _one_ready(pods: tuple[Any, ...]) -> bool:
    return len(pods) == 1 and pods[0].ready


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_connections = 10", "max_connections = 10, the primary has 100"),
        ("nonsense = 1", "no setting named nonsense"),
        ("work_mem = many", "work_mem"),
        ("hot_standby = off", "hot_standby = off"),
        ("work_mem 4MB oops", "line 1"),
    ],
)
def test_a_configuration_that_would_not_do_is_found_before_anything_is_stopped(
    stage: Stage, stranger: str, text: str, words: str
) -> None:
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "bad-config"},
        "data": {"postgresql.conf": text},
    }
    stage.cluster.apply(manifest)
    with pytest.raises(ParameterError) as refused:
        backup(stage, stranger, config_map="bad-config")
    assert words in str(refused.value)


def test_a_command_line_that_would_not_do_is_found_before_the_swap(stage: Stage, stranger: str) -> None:
    """A container's arguments override every file, so the configuration is tested with them."""
    path = "/spec/template/spec/containers/0/args"
    arguments = ["postgres", "-c", "max_connections=10"]
    _patch_stranger(stage, {"op": "add", "path": path, "value": arguments})
    with pytest.raises(ChangeFailed) as failed:
        backup(stage, stranger, wipe_standby_data=stranger).apply()
    assert "max_connections = 10, the primary has 100" in str(failed.value)
    assert "section 3.1" in str(failed.value)
    _wait_back(stage)
    assert precious_rows(stage) == 10
    _patch_stranger(stage, {"op": "remove", "path": path})


def _patch_stranger(stage: Stage, operation: dict[str, Any]) -> None:
    kind = "application/json-patch+json"
    objects.patch(stage.cluster.api, "deployments", "stranger", [operation], "args", content_type=kind)
    stage.cluster.scale_and_wait(stage.cluster.find_workload("Deployment", "stranger"), 1)


def helpers(stage: Stage) -> list[Object]:
    return [p for p in stage.cluster.list("pods") if p["metadata"]["name"].startswith("pgnb-base-backup")]


def _delete_helper_in_the_middle(stage: Stage) -> str:
    """Fail as a node does, while pg_basebackup copies."""
    wait_until(
        "a backup that copies",
        lambda: stage.primary.query("physical/backups"),
        lambda rows: any(row["backup_streamed"] for row in rows),
        timeout=60,
        every=0.01,
    )
    name = str(helpers(stage)[0]["metadata"]["name"])
    stage.cluster.delete("pods", name)
    return name


def _forget_the_copy(stage: Stage) -> None:
    """Remove the complete copy of an earlier test, which would be used."""
    pod, mark = stage.cluster.pod("app=stranger"), "/var/lib/postgresql/data/pgdata.pgnb-new/.pgnb-verified"
    stage.cluster.exec(pod, ["rm", mark], changes="forget the copy")


@pytest.fixture
def large(stage: Stage) -> Iterator[None]:
    """Make the copy long: a sparse file of 4 GB."""
    pod, file = stage.primary.pod, f"{stage.primary.facts.data_directory}/filling"
    stage.cluster.exec(pod, ["truncate", "-s", "4G", file], changes="a large file")
    yield
    stage.cluster.exec(pod, ["rm", file], changes="without it")


def test_a_backup_killed_in_the_middle_leaves_the_old_data_and_the_slot(
    stage: Stage, stranger: str, large: None
) -> None:
    before = restart_lsn(stage)
    _forget_the_copy(stage)
    change = backup(stage, stranger, wipe_standby_data="stranger")
    with ThreadPoolExecutor(1) as killer:
        killed = killer.submit(_delete_helper_in_the_middle, stage)
        with pytest.raises(ChangeFailed) as failed:
            change.apply()
    assert killed.result() in str(failed.value)
    assert "The old data directory is unchanged" in str(failed.value)
    _wait_back(stage)
    assert precious_rows(stage) == 10
    assert restart_lsn(stage) == before
    assert not helpers(stage)
    directory = stage.server("stranger").facts.data_directory
    pod = stage.cluster.pod("app=stranger")
    assert stage.cluster.exec(pod, ["test", "-d", f"{directory}.pgnb-new"], check=False).exit_status == 0


def test_another_c_library_is_refused_where_text_is_sorted_by_it(stage: Stage) -> None:
    """As an image of Alpine has it for a primary of Debian."""
    primary = stage.primary
    ours = DataDirectory.of(stage.cluster.exec(primary.pod, scripts.argv("libc")).text)
    assert ours.found["libc"].startswith("glibc 2.")
    musl = DataDirectory({"libc": "musl libc (x86_64) Version 1.2.5"})
    primary.execute("CREATE DATABASE sorted TEMPLATE template0 LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'")
    try:
        assert "sorted" not in str(list(library_checks(primary, musl)))  # Sorted by bytes, as C is.
        # Nobody connects to it, so a locale that this machine lacks does.
        primary.execute("UPDATE pg_database SET datcollate = 'en_US.UTF-8' WHERE datname = 'sorted'")
        assert [check.ok for check in library_checks(primary, ours)] == [True]
        (refused,) = library_checks(primary, musl)
        assert refused.stops and "sorted" in refused.remedy
        assert list(library_checks(primary, DataDirectory({}))) == []
        primary.execute("UPDATE pg_database SET datcollversion = '1' WHERE datname = 'sorted'")
        gate, told = collation_checks(primary, primary)
        (lost,) = collation_checks(primary)
        assert gate.ok  # Both have the same library.
        assert (told.found, lost.found) == ("sorted", "sorted")
        assert not told.stops and not lost.stops
    finally:
        primary.execute("DROP DATABASE sorted")


def _scaled_back(stage: Stage) -> None:
    stage.cluster.scale_and_wait(stage.cluster.find_workload("Deployment", "stranger"), 1)


def _slot_dropped(stage: Stage) -> None:
    stage.primary.execute("SELECT pg_drop_replication_slot(%s)", (SLOT,))


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        (_scaled_back, "somebody scaled deployment/stranger back"),
        (_slot_dropped, f"the slot {SLOT} lost its WAL"),
    ],
)
def test_what_happens_while_the_backup_runs_is_seen_before_the_data_are_moved(
    stage: Stage, stranger: str, monkeypatch: pytest.MonkeyPatch, happens: Callable[[Stage], None], words: str
) -> None:
    copy = Bootstrap.copy

    def meanwhile(work: Bootstrap) -> str:
        result = copy(work)
        happens(stage)
        return result

    monkeypatch.setattr(Bootstrap, "copy", meanwhile)
    with pytest.raises(ChangeFailed, match=words) as failed:
        backup(stage, stranger, wipe_standby_data="stranger").apply()
    assert "The old data directory is unchanged" in str(failed.value)
    _wait_back(stage)
    assert precious_rows(stage) == 10
    carry_out(plan_slot(stage.primary, SLOT))


def test_run_again_and_named_it_becomes_a_standby(stage: Stage, stranger: str) -> None:
    options = BackupOptions("900M", "spread", "server-gzip:1")
    stage.primary.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
    stage.primary.execute("SELECT pg_reload_conf()")
    change = backup(stage, stranger, wipe_standby_data="stranger", options=options)
    assert change.precheck is not None
    (told,) = [check for check in change.precheck().items if check.name == "WAL kept during the copy"]
    assert "at 900.0 MB/s take" in str(told.found)
    assert "1.0 MB" in str(told.wanted)
    stage.primary.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")
    stage.primary.execute("SELECT pg_reload_conf()")
    carry_out(change)
    standby = stage.server(stranger)
    checks = standby_checks(stage.primary, standby, slot=SLOT, application_name=stranger)
    assert checks.ok
    directory = standby.facts.data_directory
    beside = stage.cluster.exec(standby.pod, ["ls", f"{directory}/.."]).text
    assert "pgnb" not in beside
    standby.close()


def test_another_pod_on_the_volume_stops_it(stage: Stage, stranger: str) -> None:
    stage.cluster.scale_and_wait(stage.cluster.find_workload("Deployment", stranger), 0)
    change = backup(stage, stranger)
    spec = {
        "containers": [
            {
                "name": "c",
                "image": "postgres:17",
                "command": ["sleep", "600"],
                "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            }
        ],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "stranger"}}],
    }
    stage.cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "squatter"}, "spec": spec})
    with pytest.raises(GateClosed, match=r"stopped (before anything|after \d+ changes)") as closed:
        change.apply()
    assert "no other pod on the volume: squatter" in str(closed.value)
    stage.cluster.delete("pods", "squatter")


def test_a_slot_whose_wal_is_lost_is_refused_with_the_way_out(stage: Stage) -> None:
    carry_out(plan_slot(stage.primary, "short"))
    stage.primary.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
    stage.primary.execute("SELECT pg_reload_conf()")
    for _ in range(5):
        stage.primary.execute("SELECT pg_logical_emit_message(false, 'test', repeat('x', 1000000))")
        stage.primary.execute("SELECT pg_switch_wal()")
    stage.primary.execute("CHECKPOINT")
    found = wait_until(
        "the slot to be lost",
        lambda: slots(stage.primary).find("short"),
        lambda s: s is not None and s.lost,
        timeout=60,
    )
    assert found is not None
    with pytest.raises(ParameterError, match="has lost WAL") as refused:
        plan_slot(stage.primary, "short")
    assert "new base backup" in str(refused.value)
    assert "lost" in str(slots(stage.primary))
    with pytest.raises(ParameterError, match="cannot serve a standby"):
        plan_base_backup(stage.primary, StandbySpec("stranger", "short", "stranger"), source_of(stage))


def test_a_slot_that_is_not_there_is_refused(stage: Stage) -> None:
    with pytest.raises(ParameterError, match="there is no slot nowhere"):
        plan_base_backup(stage.primary, StandbySpec("stranger", "nowhere", "stranger"), source_of(stage))


def test_a_primary_without_room(stage: Stage, start_postgres: Callable[..., Any]) -> None:
    arguments = ("postgres", "-c", "max_replication_slots=1", "-c", "max_wal_senders=1")
    start_postgres(stage.namespace, "small", args=arguments)
    small = open_stage(stage.kubeconfig, stage.namespace, "small")
    carry_out(plan_slot(small.primary, "only"))
    with pytest.raises(ParameterError, match="no room for another slot") as refused:
        plan_slot(small.primary, "one_more")
    assert "1 of max_replication_slots = 1 are in use" in str(refused.value)
    source = replace(source_of(stage), host="small")
    found = {check.name for check in check_source(small.primary, source, slot="only").failed}
    assert {"room for walsenders", "room for a temporary slot"} <= found
    small.primary.close()
