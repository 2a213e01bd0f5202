"""Sections 12.4 to 12.6 on real servers: hard names, filters, twice, plan only, and what is refused."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from logical_pair import SECRET, Pair, carry_out

from pgnb.core.errors import DeadlineExceeded, GateClosed, ParameterError
from pgnb.core.plan import gate
from pgnb.logical.arrival import wait_applied
from pgnb.logical.capacity import worker_settings
from pgnb.logical.databases import database_checks, plan_databases
from pgnb.logical.markers import marker_checks, plan_markers, verify_marker_rows
from pgnb.logical.preflight import logical_preflight
from pgnb.logical.publication import read_publications
from pgnb.logical.publications import plan_publications
from pgnb.logical.roles import plan_reader
from pgnb.logical.row_comparison import compare_published
from pgnb.logical.schema import dump_helper, dump_schema
from pgnb.logical.slots import blockers_text, create_slot, drop_slot, logical_slots, slot_blockers
from pgnb.logical.specs import Specs
from pgnb.logical.status import logical_status
from pgnb.logical.subscription import read_subscriptions
from pgnb.logical.subscriptions import plan_drop_subscriptions, plan_subscriptions
from pgnb.physical import replication_source
from pgnb.postgres import compose, identifier
from pgnb.postgres.roles import plan_role

HARD = ("Sales-2026", 'a "b"; DROP TABLE x;--', "百分率 100%s", "o'clock=1 \\ b", "k" * 63, "顧" * 21)
LONG_TABLE = "T" * 63


def _fill(pair: Pair, database: str) -> None:
    schema, table = f"s {database}"[:20], f'"{database}'[:20]
    pair.make_database(
        database,
        compose("CREATE SCHEMA {}", identifier(schema)),
        compose(
            "CREATE TABLE {} (id serial PRIMARY KEY, {} text)", identifier(schema, table), identifier("Ré %s")
        ),
        compose(
            "INSERT INTO {} ({}) SELECT n::text FROM generate_series(1, 500) n",
            identifier(schema, table),
            identifier("Ré %s"),
        ),
        compose("CREATE TABLE {} (a int, b text)", identifier(LONG_TABLE)),
        compose("INSERT INTO {} SELECT n, 'x' FROM generate_series(1, 50) n", identifier(LONG_TABLE)),
    )


@pytest.fixture(scope="module")
def hard(pair: Pair) -> Specs:
    """Databases with hard names, set up."""
    for database in HARD:
        _fill(pair, database)
    specs = pair.specs(*HARD)
    pair.set_up(specs)
    return specs


def test_a_schema_in_another_encoding_is_dumped_and_its_password_is_in_no_environment(pair: Pair):
    latin = "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
    pair.publisher.execute(compose(latin))
    pair.publisher.execute(compose("CREATE TABLE {} (a int)", identifier("naïf")), database="latin")
    with dump_helper(pair.publisher, pair.subscriber, pair.origin) as helper:
        assert '"naïf"' in dump_schema(pair.publisher, helper, pair.origin, "latin")
        environment = helper.exec(["cat", "/proc/1/environ"]).text + helper.exec(["env"]).text
        mode = helper.exec(["sh", "-c", "stat -c %a /run/pgnb-secret/passfile"]).text
    assert pair.cluster.secret_value(SECRET, "password").reveal() not in environment
    assert mode == "600"
    pair.publisher.execute("DROP DATABASE latin WITH (FORCE)")


def test_hard_names_arrive_whole(pair: Pair, hard: Specs) -> None:
    rows = compare_published(pair.publisher, pair.subscriber, hard)
    assert {table.database for table in rows.tables} == set(HARD)
    assert rows.rows == len(HARD) * 550
    assert not rows.different, rows
    assert database_checks(pair.publisher, pair.subscriber, hard).ok
    proofs = verify_marker_rows(pair.publisher, pair.subscriber, hard)
    assert marker_checks(pair.publisher, proofs, hard).ok
    wait_applied(pair.publisher, pair.subscriber, hard, timeout=30)
    status = logical_status(pair.publisher, pair.subscriber, hard)
    assert all(one.tables == 3 and not one.not_ready for one in status.items), status


HARD_ROLES = ('Re: "pl" \\ o\'r 100%s', "複" * 21, "r" * 63, "drop;--")


@pytest.mark.parametrize(
    "role", [HARD_ROLES[0], *(pytest.param(one, marks=pytest.mark.long) for one in HARD_ROLES[1:])]
)
def test_roles_with_hard_names_own_and_replicate(pair: Pair, role: str) -> None:
    secret, database = f"role-{HARD_ROLES.index(role)}", f"of {role}"[:20]
    carry_out(plan_role(pair.publisher, role, secret))
    carry_out(plan_reader(pair.publisher, role))
    pair.make_database(
        database,
        compose("CREATE TABLE a (id int PRIMARY KEY)"),
        "INSERT INTO a VALUES (1)",
        compose("ALTER TABLE a OWNER TO {}", identifier(role)),
        compose("GRANT SELECT ON a TO {}", identifier(role)),
        compose("ALTER DATABASE {} OWNER TO {}", identifier(database), identifier(role)),
    )
    own = replace(pair, origin=replication_source(pair.publisher, role=role, secret=secret))
    specs = own.specs(database)
    own.set_up(specs)
    verify_marker_rows(own.publisher, own.subscriber, specs, timeout=30)
    owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'a'"
    assert own.subscriber.scalar(owner, database=database) == role
    assert not any(list(own.plans(specs)))


def test_updates_and_deletes_without_a_key_arrive(pair: Pair, hard: Specs) -> None:
    for statement in ("UPDATE {} SET b = 'y' WHERE a <= 10", "DELETE FROM {} WHERE a > 40"):
        pair.publisher.execute(compose(statement, identifier(LONG_TABLE)), database=HARD[1])
    wait_applied(pair.publisher, pair.subscriber, hard, timeout=30)
    query = compose("SELECT count(*), count(*) FILTER (WHERE b = 'y') AS y FROM {}", identifier(LONG_TABLE))
    assert pair.subscriber.fetch_one(query, database=HARD[1]) == {"count": 40, "y": 10}


def test_a_second_run_finds_nothing(pair: Pair, hard: Specs) -> None:
    assert not any(list(pair.plans(hard)))


def test_no_password_stands_in_a_subscription(pair: Pair, hard: Specs) -> None:
    password = pair.cluster.secret_value(pair.origin.secret, pair.origin.secret_key).reveal()
    texts = [row["subconninfo"] for row in pair.subscriber.query("SELECT subconninfo FROM pg_subscription")]
    assert len(texts) >= len(HARD)
    assert not any("password" in text or password in text for text in texts)
    mode = pair.cluster.exec(
        pair.subscriber.pod, ["stat", "-c", "%a", f"{pair.subscriber.facts.data_directory}/pgnb.passfile"]
    )
    assert mode.text == "600"
    written = " ".join(f"{entry.what} {entry.result}" for entry in pair.cluster.journal.entries)
    assert password not in written


def test_a_plan_only_run_changes_nothing(pair: Pair) -> None:
    pair.make_database("planned", "CREATE TABLE t (a int)")
    only = pair.plan_only()
    specs = only.specs("planned")
    changes = list(only.plans(specs))
    outcomes = [change.apply().outcome for change in changes if change]
    only.close()
    assert len(outcomes) >= 5
    assert set(outcomes) == {"plan only: nothing was changed"}
    assert "planned" not in {row["name"] for row in pair.subscriber.query("databases")}
    assert not read_publications(pair.publisher, "planned")


def test_databases_are_made_only_where_that_is_asked_for(pair: Pair) -> None:
    pair.make_database("unasked", "CREATE TABLE t (a int PRIMARY KEY)")
    specs = pair.specs("unasked")
    change = plan_databases(pair.publisher, pair.subscriber, specs, create=False)
    assert not change
    assert "Not created (create_databases = False): unasked." in str(change)
    (failed,) = database_checks(pair.publisher, pair.subscriber, specs).failed
    assert (failed.found, "create_databases = True" in failed.remedy) == ("missing", True)


def test_filters_columns_and_schemas(pair: Pair) -> None:
    pair.make_database(
        "chosen",
        "CREATE SCHEMA app",
        "CREATE TABLE app.whole (id int PRIMARY KEY)",
        "CREATE TABLE part (id int, kept text, secret text, PRIMARY KEY (id, kept))",
        "CREATE TABLE other (id int)",
        "INSERT INTO part SELECT n, 'k', 's' FROM generate_series(1, 100) n",
        "INSERT INTO app.whole SELECT generate_series(1, 7)",
    )
    part = {"table": "part", "columns": ["id", "kept"], "where": "id % 2 = 0 AND kept <> '{}'"}
    specs = pair.specs("chosen", chosen=["app.*"])
    pair.set_up(specs)
    specs = pair.specs("chosen", chosen=["app.*", {"table": "public.part", "where": part["where"]}])
    carry_out(plan_publications(pair.publisher, specs))
    subscribe = plan_subscriptions(pair.publisher, pair.subscriber, specs, pair.origin)
    assert "REFRESH" in str(subscribe)
    pair.set_up(specs)
    rows = compare_published(pair.publisher, pair.subscriber, specs)
    assert {(t.name, t.standby) for t in rows.tables} >= {("part", 50), ("app.whole", 7)}
    assert not rows.different, rows
    assert not any(list(pair.plans(specs)))


def test_columns_are_published_alone(pair: Pair) -> None:
    pair.make_database(
        "columns",
        "CREATE TABLE part (id int PRIMARY KEY, kept text, secret text)",
        "INSERT INTO part SELECT n, 'k', 's' FROM generate_series(1, 10) n",
    )
    specs = pair.specs("columns", columns=[{"table": "part", "columns": ["id", "kept"]}])
    pair.set_up(specs)
    found = pair.subscriber.fetch_one(
        "SELECT count(kept) AS k, count(secret) AS s FROM part", database="columns"
    )
    assert found == {"k": 10, "s": 0}
    assert not any(list(pair.plans(specs)))


def test_a_publication_keeps_what_others_added(pair: Pair) -> None:
    pair.make_database("added", "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)")
    specs = pair.specs("added", added=["a"])
    pair.set_up(specs)
    pair.publisher.execute("ALTER PUBLICATION pub_added ADD TABLE b", database="added")
    change = plan_publications(pair.publisher, specs)
    assert not change
    assert "added: b" in change.note
    with pytest.raises(GateClosed, match="cannot be altered"):
        plan_publications(pair.publisher, pair.specs("added"))


def test_publications_that_send_less_are_widened(pair: Pair) -> None:
    pair.make_database("less", "CREATE TABLE a (id int PRIMARY KEY)")
    specs = pair.specs("less")
    carry_out(plan_markers(pair.publisher, pair.publisher, specs))
    statement = "CREATE PUBLICATION pub_less FOR ALL TABLES WITH (publish = 'insert')"
    pair.publisher.execute(statement, database="less")
    carry_out(plan_publications(pair.publisher, specs))
    found = read_publications(pair.publisher, "less")["pub_less"]
    assert found.operations == "insert, update, delete, truncate"


def test_rows_that_are_there_stop_a_copy(pair: Pair) -> None:
    pair.make_database("filled", "CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1)")
    specs = pair.specs("filled")
    for change in pair.plans(specs):
        if change.title.startswith("subscriptions"):
            break
        carry_out(change)
    pair.subscriber.execute("INSERT INTO a VALUES (1)", database="filled")
    change = plan_subscriptions(pair.publisher, pair.subscriber, specs, pair.origin)
    with pytest.raises(GateClosed) as refusal:
        change.apply()
    assert "public.a" in refusal.value.found
    assert specs[0].slot not in logical_slots(pair.publisher)
    carry_out(plan_subscriptions(pair.publisher, pair.subscriber, specs, pair.origin, copy_data=False))
    verify_marker_rows(pair.publisher, pair.subscriber, specs, timeout=30)
    assert pair.subscriber.scalar("SELECT count(*) FROM a", database="filled") == 1


def test_a_slot_that_was_left_is_taken(pair: Pair) -> None:
    pair.make_database("halfway", "CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1)")
    specs = pair.specs("halfway")
    create_slot(pair.publisher, specs[0], two_phase=False, failover=False, timeout=30)
    pair.publisher.execute("INSERT INTO a VALUES (2)", database="halfway")
    with pytest.raises(GateClosed, match="stopped after"):
        pair.set_up(specs)
    change = plan_subscriptions(pair.publisher, pair.subscriber, specs, pair.origin)
    gate(change, reuse_slots="sub_halfway")
    change.apply()
    pair.set_up(specs)
    verify_marker_rows(pair.publisher, pair.subscriber, specs, timeout=30)
    assert pair.subscriber.scalar("SELECT count(*) FROM a", database="halfway") == 2


def test_a_slot_of_another_database_is_refused(pair: Pair) -> None:
    pair.make_database("mine")
    pair.make_database("theirs")
    pair.publisher.session("theirs").execute(
        "SELECT pg_create_logical_replication_slot('sub_mine', 'pgoutput')"
    )
    try:
        with pytest.raises(GateClosed, match="belongs to the database theirs"):
            plan_subscriptions(pair.publisher, pair.subscriber, pair.specs("mine"), pair.origin)
    finally:
        drop_slot(pair.publisher, "sub_mine")


@pytest.mark.long
def test_whoever_holds_a_slot_up_is_named(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its own timeout: the limit for locks is not that of a slot."""
    monkeypatch.setattr(pair.publisher, "login", replace(pair.publisher.login, lock_timeout=0.2))
    pair.make_database("held", "CREATE TABLE a (id int PRIMARY KEY)")
    specs, done, ready = pair.specs("held"), threading.Event(), threading.Event()

    def hold() -> None:
        with pair.publisher.new_session("postgres") as session:
            session.execute("SET application_name = 'nightly report'")
            session.execute("BEGIN; CREATE TEMP TABLE held_up (a int)")
            ready.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert ready.wait(30)
    try:
        with pytest.raises(DeadlineExceeded) as late:
            create_slot(pair.publisher, specs[0], two_phase=False, failover=False, timeout=1.0)
    finally:
        done.set()
        thread.join()
    assert "nightly report" in late.value.found
    assert specs[0].slot not in logical_slots(pair.publisher)


def test_a_transaction_whose_beginning_is_unknown_is_as_old_as_its_session(pair: Pair) -> None:
    """It is unknown for a moment at its beginning and end; with track_activities off for all of it."""
    with pair.publisher.new_session("postgres") as session:
        session.execute("SET track_activities = off")
        session.execute("BEGIN; CREATE TEMP TABLE hidden (a int)")
        (blocker,) = slot_blockers(pair.publisher)
        assert blocker["age"] >= 0
        assert blocker["who"] in blockers_text([blocker])


def test_the_preflight_stops_what_would_be_missed(pair: Pair) -> None:
    pair.make_database(
        "missed",
        "CREATE UNLOGGED TABLE u (a int)",
        "SELECT lo_create(0)",
        "CREATE TABLE nokey (a int)",
        "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a",
        "CREATE TABLE g (a int PRIMARY KEY, b int GENERATED ALWAYS AS (a * 2) STORED)",
    )
    specs = pair.specs("missed")
    checks = logical_preflight(pair.publisher, pair.subscriber, specs)
    assert {check.name for check in checks.failed} == {"missed: large objects", "missed: unlogged tables"}
    advice = {check.name for check in checks if not check.ok and check.advice}
    assert advice >= {"missed: materialised views", "missed: generated columns", "replica identity"}
    accepted = ["large objects", "unlogged tables"]
    assert logical_preflight(pair.publisher, pair.subscriber, specs, accept_not_copied=accepted).ok


def test_roles_that_differ_are_told_before_anything_is_made(pair: Pair) -> None:
    for server in (pair.publisher, pair.subscriber):
        server.execute("CREATE ROLE clerk LOGIN PASSWORD 'only-for-tests'")
    pair.publisher.execute("CREATE ROLE guest LOGIN PASSWORD 'only-for-tests'")
    pair.make_database("staffed", "CREATE TABLE a (id int PRIMARY KEY)", "GRANT SELECT ON a TO clerk, guest")
    found = {c.name: c for c in logical_preflight(pair.publisher, pair.subscriber, pair.specs("staffed"))}
    assert found["roles"].found == "3 needed, 1 to be created"
    assert found["existing roles"].found == "clerk"
    assert found["existing roles"].advice
    assert "only-for-tests" not in str(found)


def test_the_same_server_on_both_sides_is_refused(pair: Pair) -> None:
    failed = logical_preflight(pair.publisher, pair.publisher, pair.specs("postgres")).failed
    assert "two servers" in {check.name for check in failed}


def test_a_missing_database_is_refused(pair: Pair) -> None:
    with pytest.raises(ParameterError, match="nosuch"):
        pair.specs("nosuch")


def test_a_wrong_option_is_refused(pair: Pair) -> None:
    with pytest.raises(ParameterError, match="strea"):
        plan_subscriptions(
            pair.publisher, pair.subscriber, pair.specs("postgres"), pair.origin, options={"strea": "on"}
        )


def test_an_option_is_altered(pair: Pair) -> None:
    pair.make_database("optional", "CREATE TABLE a (id int PRIMARY KEY)")
    specs = pair.specs("optional")
    pair.set_up(specs)
    options = {"disable_on_error": "on", "streaming": "off"}
    carry_out(plan_subscriptions(pair.publisher, pair.subscriber, specs, pair.origin, options=options))
    found = read_subscriptions(pair.subscriber, "optional")["sub_optional"]
    assert (found.disable_on_error, found.streaming) == (True, "off")
    assert not plan_subscriptions(pair.publisher, pair.subscriber, specs, pair.origin, options=options)


def test_dropping_takes_the_slots_along(pair: Pair) -> None:
    pair.make_database("dropped", "CREATE TABLE a (id int PRIMARY KEY)")
    specs = pair.specs("dropped")
    pair.set_up(specs)
    change = plan_drop_subscriptions(pair.publisher, pair.subscriber, specs)
    with pytest.raises(GateClosed):
        change.apply()
    gate(change, drop_subscriptions="sub_dropped")
    change.apply()
    assert specs[0].slot not in logical_slots(pair.publisher)
    assert not plan_drop_subscriptions(pair.publisher, pair.subscriber, specs)


def test_what_is_set_up_asks_for_no_restart(pair: Pair, hard: Specs) -> None:
    before = worker_settings(pair.publisher, pair.subscriber, pair.specs("postgres"))
    after = worker_settings(pair.publisher, pair.subscriber, hard)
    slots = len(pair.publisher.query("SELECT 1 FROM pg_replication_slots"))
    assert after.publisher["max_replication_slots"] == f">= {slots}"
    assert int(before.publisher["max_replication_slots"][3:]) > slots
    assert logical_preflight(pair.publisher, pair.subscriber, hard).ok
