"""Finding a server and talking to it: what comes back, what is refused, and what survives a crash."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from pgnb.cluster import Cluster
from pgnb.core.errors import (
    ConnectionFailed,
    GateClosed,
    NotFound,
    ParameterError,
    PodError,
    QueryFailed,
    ServerError,
    WrongServer,
)
from pgnb.core.plan import Change, Step
from pgnb.core.wait import wait_until
from pgnb.postgres import Server, compose, find_server, identifier, literal
from pgnb.postgres.config.configure import plan_settings
from pgnb.postgres.config.hba import plan_hba
from pgnb.postgres.config.restart import plan_restart
from pgnb.postgres.preflight import preflight
from tests.interrupts import interrupted

PASSWORD = "secret:primary/password"


def test_the_facts_are_those_of_the_pod(server: Server):
    facts = server.facts
    assert facts.major == 17
    assert facts.role == "primary"
    assert facts.data_directory == "/var/lib/postgresql/data/pgdata"
    assert facts.timeline == 1
    assert facts.superuser
    assert facts.system_identifier == server.scalar("SELECT system_identifier::text FROM pg_control_system()")
    server.cluster.exec(server.pod, [facts.tool("pg_controldata"), "--version"])
    assert (server.owner.uid, server.owner.mode) == (999, "700")


def test_the_card_says_what_it_is(server: Server):
    key_value_table = str(server)
    for words in (server.pod.name, "postgres:17", "PostgreSQL 17", "primary", server.facts.system_identifier):
        assert words in key_value_table
    assert server.facts.system_identifier in server._repr_html_()


def test_rows_come_as_dictionaries_and_show_as_a_table(server: Server):
    rows = server.query("SELECT %(a)s::int AS one, %(b)s AS two", {"a": 1, "b": "日本"})
    assert rows == [{"one": 1, "two": "日本"}]
    assert "日本" in str(rows)
    assert server.scalar("SELECT 42") == 42
    assert server.query("SELECT 1 AS a WHERE false") == []
    with pytest.raises(ServerError, match="one row"):
        server.fetch_one("SELECT generate_series(1, 2)")


def test_a_refused_statement_carries_its_sqlstate_and_first_line(server: Server):
    with pytest.raises(QueryFailed) as refused:
        server.query("-- a comment\nSELECT * FROM no_such_table")
    assert refused.value.sqlstate == "42P01"
    assert "SELECT * FROM no_such_table" in refused.value.found


def test_no_statement_waits_long_for_a_lock_since_others_wait_behind_it(server: Server):
    server.execute("CREATE TABLE locked (id int)")
    with server.new_session() as holder, server.new_session() as waiter:
        assert waiter.query("SHOW lock_timeout") == [{"lock_timeout": "10s"}]
        waiter.execute("SET lock_timeout = '100ms'")
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE locked")
        with pytest.raises(QueryFailed) as refused:
            waiter.execute("ALTER TABLE locked ADD COLUMN more int")
        holder.rollback()
    server.execute("DROP TABLE locked")
    assert refused.value.sqlstate == "55P03"
    assert "pg_blocking_pids" in refused.value.remedy


def test_names_are_quoted_and_a_verifier_is_not_repeated(server: Server):
    database = 'My "Db" – 日本'
    server.execute(compose("CREATE DATABASE {}", identifier(database)))
    try:
        assert server.scalar("SELECT current_database()", database=database) == database
    finally:
        server.close_sessions()
        server.execute(compose("DROP DATABASE {}", identifier(database)))
    with pytest.raises(QueryFailed) as refused:
        server.execute(compose("ALTER ROLE no_such PASSWORD {}", literal("hush")), what="set a password")
    assert "hush" not in str(refused.value)
    assert "hush" not in str(server.journal.table)


def test_parameters_reach_statements_that_take_none_on_the_server(server: Server):
    server.execute("COMMENT ON DATABASE postgres IS %s", ["it's ours"])
    assert (
        server.scalar(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'postgres'"
        )
        == "it's ours"
    )


def test_libpqs_environment_leads_nowhere_else(server: Server, monkeypatch: pytest.MonkeyPatch):
    for variable, value in (("PGHOSTADDR", "192.0.2.1"), ("PGSSLMODE", "verify-full"), ("PGPORT", "1")):
        monkeypatch.setenv(variable, value)
    with server.new_session() as session:
        assert session.query("SELECT 1 AS one") == [{"one": 1}]


def test_an_interrupt_cancels_the_statement_and_leaves_the_session_usable(server: Server):
    sleeping = (
        "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(3000)' AND state = 'active'"
    )
    with (
        server.new_session() as other,
        interrupted(lambda: other.query(sleeping)[0]["count"] == 1),
        pytest.raises(KeyboardInterrupt),
    ):
        server.query("SELECT pg_sleep(3000)")
    assert server.scalar("SELECT 5") == 5
    wait_until("the statement to end", lambda: server.scalar(sleeping), lambda n: n == 0, timeout=60)


def test_the_journal_names_the_statement_and_no_secret(server: Server):
    server.execute(compose("CREATE ROLE {} PASSWORD {}", identifier("in_journal"), "hush-hush"))
    server.execute(compose("DROP ROLE {}", identifier("in_journal")))
    journal = str(server.journal.table)
    assert """CREATE ROLE "in_journal" PASSWORD '***'""" in journal
    assert "hush-hush" not in journal


def test_the_servers_log_holds_no_verifier(server: Server):
    server.execute("ALTER SYSTEM SET log_statement = 'all'")
    server.execute("SELECT pg_reload_conf()")
    wait_until("the log", lambda: server.scalar("SHOW log_statement"), lambda now: now == "all", timeout=20)
    try:
        verifier = "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy"
        create = compose("CREATE ROLE {} PASSWORD {}", identifier("in_log"), verifier)
        server.execute(create)
        with pytest.raises(QueryFailed, match="already exists"):
            server.execute(create)
        server.execute("DROP ROLE in_log")
        server.execute("SELECT 'after it'")
        lines = [line.text for line in server.cluster.logs(server.pod)]
    finally:
        server.execute("ALTER SYSTEM RESET log_statement")
        server.execute("SELECT pg_reload_conf()")
    assert any("after it" in line for line in lines), "what holds no secret is logged as before"
    assert not any("SCRAM-SHA-256" in line for line in lines)


def test_many_threads_share_a_server(server: Server):
    def ask(number: int) -> int:
        with server.new_session() as own:
            return server.scalar("SELECT %s::int", [number]) + own.query("SELECT 1 AS one")[0]["one"]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(40))) == list(range(1, 41))


def test_a_statement_that_takes_too_long_is_cancelled_by_the_server(server: Server):
    with server.new_session(statement_timeout=0.2) as session, pytest.raises(QueryFailed) as refused:
        session.query("SELECT pg_sleep(30)")
    assert refused.value.sqlstate == "57014"


def test_a_lost_session_reads_again_and_changes_nothing_twice(server: Server):
    pid = server.session().backend_pid
    with server.new_session() as other:
        other.query("SELECT pg_terminate_backend(%s, 5000)", [pid])
        assert server.scalar("SELECT 7") == 7
        assert server.session().backend_pid != pid
        server.execute("CREATE TABLE IF NOT EXISTS lost (n int)")
        other.query("SELECT pg_terminate_backend(%s, 5000)", [server.session().backend_pid])
    with pytest.raises(ConnectionFailed, match="lost"):
        server.execute("INSERT INTO lost VALUES (1)")
    assert server.scalar("SELECT count(*) FROM lost") == 0
    server.execute("DROP TABLE lost")


def test_the_container_restarted_in_place_and_the_session_comes_back(server: Server):
    before = server.facts
    restarts = server.pod.restarts
    server.cluster.exec(server.pod, ["kill", "-INT", "1"], check=False, changes="end PID 1")
    started = "SELECT pg_postmaster_start_time()"
    wait_until("the new start", lambda: server.scalar(started), lambda at: at > before.started, timeout=60)
    after = server.facts
    assert after.system_identifier == before.system_identifier
    assert after.started > before.started
    assert server.cluster.pod(server.selector).restarts == restarts + 1


def test_a_server_that_does_not_come_back_is_reported_with_its_pods_state(find: Callable[..., Server]):
    gone = find("gone")
    impatient = Server(gone.route, replace(gone.login, reconnect_timeout=2.0), gone.journal)
    assert impatient.scalar("SELECT 1") == 1
    gone.cluster.scale_and_wait(gone.cluster.workload(gone.pod), 0)
    with pytest.raises((ConnectionFailed, PodError)) as lost:
        impatient.scalar("SELECT 1")
    assert "no pod" in str(lost.value).lower()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"selector": "app=nobody"}, PodError, "app=nobody"),
        ({"user": "nobody"}, ConnectionFailed, 'role "nobody" does not exist'),
        ({"database": "nowhere"}, ConnectionFailed, 'database "nowhere" does not exist'),
        ({"password": "secret:primary/other"}, NotFound, "password"),
        ({"password": "secret:other/password"}, NotFound, "other"),
        ({"password": "hunter2"}, ParameterError, "secret:NAME/KEY"),
        ({"expect": "7"}, WrongServer, "expected 7"),
        ({"container": "sidecar"}, PodError, "sidecar"),
    ],
)
def test_what_cannot_be_found_says_why(cluster: Cluster, server: Server, options, error, words):
    given = {"selector": server.selector, "password": PASSWORD, **options}
    selector = given.pop("selector")
    with pytest.raises(error) as refused:
        find_server(cluster, selector, **given)
    assert words in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_plan_only_run_reaches_no_change_by_any_way(planning: Cluster, server: Server):
    planned = find_server(planning, server.selector, password=PASSWORD)
    try:
        assert planned.scalar("SELECT 1") == 1
        with pytest.raises(GateClosed):
            planned.execute("CREATE TABLE never (n int)")
        with pytest.raises(QueryFailed) as refused:
            planned.session().execute("CREATE TABLE never (n int)")
        assert refused.value.sqlstate == "25006"
    finally:
        planned.close()


def test_a_plan_only_run_goes_on_where_a_server_is_not_there_yet(planning: Cluster):
    change = Change("make it", planning.journal, steps=[Step("deployment/x", "make it", lambda: "")])
    absent = find_server(planning, "app=standby-to-come", made_by=change)
    assert not absent.present
    with pytest.raises(PodError):
        find_server(planning, "app=standby-to-come")
    with pytest.raises(PodError):
        find_server(planning, "app=standby-to-come", made_by=Change("nothing to make", planning.journal))
    assert absent.query("SELECT 1") == []
    assert absent.scalar("SELECT 1") is None
    assert absent.facts.role == "not there yet"
    assert "not there yet" in str(absent)
    assert not plan_settings(absent, {"work_mem": "8MB"})
    assert not plan_hba(absent, [])
    assert not plan_restart(absent, reason="a test")
    assert not preflight(absent).ok
    assert "not there yet" in str(absent.settings(["work_mem"]).table)


@pytest.mark.parametrize("which", ["planning", "cluster"])
def test_a_server_that_another_notebook_makes_is_missed_with_its_name(
    which: str, request: pytest.FixtureRequest
):
    found: Cluster = request.getfixturevalue(which)
    with pytest.raises(PodError, match="app=standby-to-come") as missing:
        find_server(found, "app=standby-to-come", made_by="12_00_logical_replication")
    assert missing.value.remedy.endswith("If it never existed, run 12_00_logical_replication first.")


def test_nothing_stays_behind_when_a_server_is_closed(cluster: Cluster, server: Server):
    other = find_server(cluster, server.selector, password=PASSWORD)
    pid = other.session().backend_pid
    threads = threading.active_count()
    other.close()
    gone = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
    wait_until("the backend to end", lambda: server.scalar(gone, [pid]), lambda n: n == 0, timeout=60)
    assert threading.active_count() <= threads
    assert other.scalar("SELECT 3") == 3
    other.close()
