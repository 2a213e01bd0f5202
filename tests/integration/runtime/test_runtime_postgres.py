"""The image postgres:<major>, as its documentation says it behaves."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import pytest
from runtime_machine import Machine

from pgnb_rehearsal.pods.container import Container, Mount
from pgnb_rehearsal.pods.sandbox import Sandbox

DATA = "/var/lib/postgresql/data"
PASSWORD = {"POSTGRES_PASSWORD": 'it\'s a "secret" $HOME'}


def primary(machine: Machine, sandbox: Sandbox, *argv: str, **env: str) -> Container:
    mounts = [Mount(machine.volume(), DATA, False)]
    container = machine.start(sandbox, machine.spec(*argv, env=PASSWORD | env, mounts=mounts))
    machine.await_ready(container)
    return container


def connect(machine: Machine, container: Container, conninfo: str, sql: str, password: str) -> str:
    script = 'PGPASSWORD="$1" psql -tAXd "$2" -c "$3"'
    outcome = machine.exec(container, "sh", "-c", script, "sh", password, conninfo, sql)
    return (outcome.out or outcome.err).decode().strip()


def test_it_gets_ready_and_is_the_real_thing(machine: Machine, sandbox: Sandbox) -> None:
    mounts = [Mount(machine.volume(), DATA, False)]
    container = machine.start(sandbox, machine.spec(env=PASSWORD, mounts=mounts))
    machine.await_ready(container)
    assert machine.psql(container, "SELECT 6 * 7") == "42"
    assert machine.psql(container, "SHOW server_version").startswith("17.")
    assert machine.psql(container, "SHOW data_directory") == DATA
    assert machine.psql(container, "SHOW listen_addresses") == "*"
    assert machine.psql(container, "SHOW wal_level") == "replica"
    assert "PostgreSQL init process complete; ready for start up." in machine.log(container)


def test_no_password_is_a_refusal(machine: Machine, sandbox: Sandbox) -> None:
    container = machine.start(sandbox, machine.spec())
    assert machine.run(container.wait()) == 1
    first = machine.log(container).splitlines()[0]
    assert first == "Error: Database is uninitialized and superuser password is not specified."
    assert "POSTGRES_PASSWORD" in machine.log(container)


def test_the_password_counts_from_outside_only(machine: Machine, sandbox: Sandbox) -> None:
    container = primary(machine, sandbox)
    url = f"host={sandbox.ip} user=postgres"
    assert connect(machine, container, url, "SELECT 1", PASSWORD["POSTGRES_PASSWORD"]) == "1"
    assert "password authentication failed" in connect(machine, container, url, "SELECT 1", "wrong")
    assert machine.psql(container, "SELECT rolpassword FROM pg_authid WHERE oid = 10").startswith("SCRAM")
    rules = machine.psql(
        container, "SELECT array_to_string(database, '') || ' ' || auth_method FROM pg_hba_file_rules"
    )
    assert rules.splitlines()[-1] == "all scram-sha-256"
    assert PASSWORD["POSTGRES_PASSWORD"] not in machine.log(container)


@pytest.mark.long
def test_user_database_and_arguments(machine: Machine, sandbox: Sandbox) -> None:
    env = {
        "POSTGRES_USER": "Ada",
        "POSTGRES_DB": "受注 db",
        "POSTGRES_INITDB_ARGS": "--data-checksums --wal-segsize=4",
    }
    container = primary(machine, sandbox, "docker-entrypoint.sh", "-c", "wal_level=logical", **env)
    sql = "SELECT current_setting('wal_level'), current_setting('data_checksums'), current_database()"
    outcome = machine.exec(container, "psql", "-U", "Ada", "-d", "受注 db", "-tAXc", sql)
    assert outcome.out.decode().strip() == "logical|on|受注 db"
    outcome = machine.exec(container, "psql", "-U", "Ada", "-d", "postgres", "-tAXc", "SHOW wal_segment_size")
    assert outcome.out == b"4MB\n"


def test_options_alone_are_for_the_server(machine: Machine, sandbox: Sandbox) -> None:
    container = machine.start(
        sandbox, machine.spec("docker-entrypoint.sh", "-c", "max_connections=33", env=PASSWORD)
    )
    machine.await_ready(container)
    assert machine.psql(container, "SHOW max_connections") == "33"


@pytest.mark.long
def test_password_from_a_file(machine: Machine, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from a file\n")
    mounts = [Mount(tmp_path / "password", "/run/secrets/password", True)]
    env = {"POSTGRES_PASSWORD_FILE": "/run/secrets/password"}
    container = machine.start(sandbox, machine.spec(env=env, mounts=mounts))
    machine.await_ready(container)
    url = f"host={sandbox.ip} user=postgres"
    assert connect(machine, container, url, "SELECT 1", "from a file") == "1"


def test_password_and_file_are_a_contradiction(machine: Machine, sandbox: Sandbox) -> None:
    env = PASSWORD | {"POSTGRES_PASSWORD_FILE": "/run/secrets/password"}
    container = machine.start(sandbox, machine.spec(env=env))
    assert machine.run(container.wait()) == 1
    assert "both POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are set" in machine.log(container)


@pytest.mark.long
def test_trust_needs_no_password_and_warns(machine: Machine, sandbox: Sandbox) -> None:
    container = machine.start(sandbox, machine.spec(env={"POSTGRES_HOST_AUTH_METHOD": "trust"}))
    machine.await_ready(container)
    assert connect(machine, container, f"host={sandbox.ip} user=postgres", "SELECT 1", "") == "1"
    assert "WARNING: POSTGRES_HOST_AUTH_METHOD is trust" in machine.log(container)


def test_init_files(machine: Machine, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_text("CREATE TABLE seen (what text); INSERT INTO seen VALUES ('sql');")
    (tmp_path / "2.sql.gz").write_bytes(gzip.compress(b"INSERT INTO seen VALUES ('gz');"))
    script = 'psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "INSERT INTO seen VALUES (\'{}\')"\n'
    (tmp_path / "3-sourced.sh").write_text(script.format("sourced"))
    (tmp_path / "4-executed.sh").write_text("#!/bin/sh\n" + script.format("executed"))
    (tmp_path / "4-executed.sh").chmod(0o755)
    (tmp_path / "5.txt").write_text("no program")
    tmp_path.chmod(0o755)
    mounts = [Mount(tmp_path, "/docker-entrypoint-initdb.d", True)]
    env = PASSWORD | {"POSTGRES_DB": "shop"}
    container = machine.start(sandbox, machine.spec(env=env, mounts=mounts))
    machine.await_ready(container)
    seen = machine.exec(container, "psql", "-U", "postgres", "-d", "shop", "-tAXc", "SELECT what FROM seen")
    assert seen.out.split() == [b"sql", b"gz", b"sourced", b"executed"]
    assert "ignoring /docker-entrypoint-initdb.d/5.txt" in machine.log(container)


def test_a_failing_init_file_stops_the_container(machine: Machine, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_text("SELECT 1/0;")
    tmp_path.chmod(0o755)
    mounts = [Mount(tmp_path, "/docker-entrypoint-initdb.d", True)]
    container = machine.start(sandbox, machine.spec(env=PASSWORD, mounts=mounts))
    assert machine.run(container.wait()) == 3
    assert "division by zero" in machine.log(container)


def test_other_commands_need_no_database(machine: Machine, sandbox: Sandbox) -> None:
    container = machine.start(sandbox, machine.spec("docker-entrypoint.sh", "postgres", "--version"))
    assert machine.run(container.wait()) == 0
    assert machine.log(container).startswith("postgres (PostgreSQL) 17.")


def test_stop_and_restart_keep_the_data(machine: Machine, sandbox: Sandbox) -> None:
    mounts = [Mount(machine.volume(), DATA, False)]
    first = machine.start(sandbox, machine.spec(env=PASSWORD, mounts=mounts))
    machine.await_ready(first)
    machine.psql(first, "CREATE TABLE kept AS SELECT 1 AS x")
    identifier = machine.psql(first, "SELECT system_identifier FROM pg_control_system()")
    first.signal("SIGINT")
    assert machine.run(first.wait()) == 0
    assert "received fast shutdown request" in machine.log(first)
    second = machine.start(sandbox, machine.spec(mounts=mounts))
    machine.await_ready(second)
    assert machine.psql(second, "SELECT x FROM kept") == "1"
    assert machine.psql(second, "SELECT system_identifier FROM pg_control_system()") == identifier
    assert "Skipping initialization" in machine.log(second)


@pytest.mark.long
def test_kill_of_pid_1_ends_all_and_the_data_recover(machine: Machine, sandbox: Sandbox) -> None:
    mounts = [Mount(machine.volume(), DATA, False)]
    first = machine.start(sandbox, machine.spec(env=PASSWORD, mounts=mounts))
    machine.await_ready(first)
    machine.psql(first, "CREATE TABLE kept AS SELECT 1 AS x")
    first.signal("SIGKILL")
    assert machine.run(first.wait()) == 137
    second = machine.start(sandbox, machine.spec(mounts=mounts))
    machine.await_ready(second)
    assert machine.psql(second, "SELECT x FROM kept") == "1"
    assert "database system was interrupted" in machine.log(second)


@pytest.mark.long
def test_a_data_directory_below_the_mount(machine: Machine, sandbox: Sandbox) -> None:
    container = primary(machine, sandbox, PGDATA=f"{DATA}/pgdata")
    assert machine.psql(container, "SHOW data_directory") == f"{DATA}/pgdata"


@pytest.mark.long
@pytest.mark.parametrize("uid", [70, 1000680000])
def test_another_user_may_run_it(machine: Machine, sandbox: Sandbox, uid: int) -> None:
    mounts = [Mount(machine.volume(), DATA, False)]
    container = machine.start(sandbox, machine.spec(env=PASSWORD, mounts=mounts, uid=uid))
    machine.await_ready(container)
    assert machine.exec(container, "stat", "-c", "%u", f"{DATA}/PG_VERSION").out.split() == [
        str(uid).encode()
    ]


@pytest.mark.long
def test_base_backup_by_name_from_another_pod_streams(machine: Machine) -> None:
    one = machine.sandbox("postgres-primary")
    primary_mounts = [Mount(machine.volume(), DATA, False)]
    trust = {"POSTGRES_HOST_AUTH_METHOD": "trust"}
    source = machine.start(one, machine.spec(env=trust, mounts=primary_mounts))
    machine.await_ready(source)
    machine.exec(
        source, "sh", "-c", "echo 'host replication all all trust' >> $PGDATA/pg_hba.conf; pg_ctl reload"
    )
    machine.psql(source, "CREATE TABLE sent AS SELECT generate_series(1, 1000) AS x")

    two = machine.sandbox("postgres-standby", f"127.0.0.1 localhost\n{one.ip} postgres-primary\n")
    mounts = [Mount(machine.volume(), DATA, False)]
    copy = machine.start(
        two,
        machine.spec(
            "pg_basebackup", "-h", "postgres-primary", "-U", "postgres", "-D", DATA, "-R", mounts=mounts
        ),
    )
    assert machine.run(copy.wait()) == 0, machine.log(copy)
    standby = machine.start(two, machine.spec(mounts=mounts))
    machine.await_ready(standby)
    machine.psql(source, "INSERT INTO sent VALUES (0)")
    marker = machine.psql(source, "SELECT pg_current_wal_flush_lsn()")
    deadline = time.monotonic() + 60
    replayed = f"SELECT coalesce(pg_last_wal_replay_lsn() >= '{marker}', false)"
    while machine.psql(standby, replayed) != "t" and time.monotonic() < deadline:
        pass
    assert machine.psql(standby, "SELECT count(*), pg_is_in_recovery() FROM sent") == "1001|t"
    assert machine.psql(source, "SELECT state FROM pg_stat_replication") == "streaming"
    for sandbox in (two, one):
        machine.run(machine.runtime.remove_sandbox(sandbox))
