"""Section 12 with kernels that die, on databases with hard names: the next run goes on and leaves nothing.

The tests of this module build on one another, in order: each run meets what the killed one before it left.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pgnb.cluster import Cluster, connect
from pgnb.logical.initial_copy import copy_progress
from pgnb.logical.row_comparison import compare_published
from pgnb.logical.slots import logical_slots
from pgnb.logical.specs import Specs, database_specs
from pgnb.logical.status import logical_status
from pgnb.logical.subscription import read_subscriptions
from pgnb.logical.targets import databases_of
from pgnb.observe.writer import Writer
from pgnb.postgres import Server, compose, find_server, identifier
from pgnb.runbook import verdict
from pgnb.runbook.records import Archive, Record
from pgnb.runbook.verdict import Verdict
from tests.notebooks import runs
from tests.notebooks.dying import Death, dying
from tests.notebooks.runs import PASSWORD

pytestmark = pytest.mark.long

HARD = 'My "DB" 100%; -- {0}'
LONGEST = "顧客管理データベース令和八年度第四四半期用"  # 63 bytes
ADDED = "New; {db} 'x' 100%--"
DATABASES = ["shop", HARD, LONGEST]
TABLE, NEW_TABLE = 'Order "Lines" {x} 100%; --', 'Ärger; {n} "q" 5%--'
PUBLISHED = {"table": '"年末; --"."明細 {1}"', "columns": ["番号", "内容 %"], "where": '"番号" % 2 = 0'}
SET_UP = {
    "databases": DATABASES,
    "publish": {LONGEST: [PUBLISHED]},
    "allow_restart": True,
    "allow_replica_identity": True,
}
ADD_TABLE = {
    "database": HARD,
    "table": f"public.{identifier(NEW_TABLE).as_string()}",
    "table_ddl": f'CREATE TABLE {identifier(NEW_TABLE).as_string()} (id serial PRIMARY KEY, "名 %" text)',
    "first_rows": f"INSERT INTO {identifier(NEW_TABLE).as_string()} (\"名 %\") VALUES ('100 % {{}} ; --')",
}
ADD_DATABASE = {"database": ADDED, "database_ddl": 'CREATE TABLE t (id serial PRIMARY KEY, "名 {}" text)'}
REMEDIES = {
    "resync": {
        "remedy_table": f"public.{identifier(TABLE).as_string()}",
        "confirm_remedy": f"public.{TABLE}",
    },
    "recreate": {"confirm_remedy": f"sub_{HARD}"},
}


@dataclass(frozen=True)
class Stage:
    """The cluster, its servers as one sees them who changes nothing, and where the runs leave records."""

    given: dict[str, str]
    observer: Cluster
    archive: Archive
    folder: Path

    def killed(self, number: str, death: Death, **more: Any) -> Record:
        """Run the notebook to its death; the record must say so."""
        record = self.run(dying(number, death, self.folder), **more)
        journal = verdict.read(self.archive.path(record) / "journal.jsonl")
        assert (record.verdict, record.exit_code) == (Verdict.KILLED, 4), record.error
        assert journal.begun
        assert not journal.finished
        return record

    def run(self, notebook: str | Path, **more: Any) -> Record:
        return runs.run(notebook, self.given, self.archive, dry_run="false", **more)

    def specs(self, publisher: Server, *more: str) -> Specs:
        return database_specs(publisher, [*DATABASES, *more], {LONGEST: [PUBLISHED]})

    def assert_whole(self, publisher: Server, subscriber: Server, *more: str) -> None:
        """Every row is there, no error was met, and nothing is left: no slot, database or pod."""
        specs = self.specs(publisher, *more)
        status = logical_status(publisher, subscriber, specs).checks()
        assert all(check.ok for check in status), status
        counted = compare_published(publisher, subscriber, specs).checks(self.observer.journal)
        assert counted.ok, counted
        assert set(logical_slots(publisher)) == {spec.slot for spec in specs}
        self.assert_nothing_left(publisher, subscriber)

    def assert_nothing_left(self, *servers: Server) -> None:
        assert self.observer.pods("app.kubernetes.io/component=helper") == ()
        assert [one for server in servers for one in databases_of(server) if one.startswith("pgnb")] == []


@pytest.fixture(scope="module")
def stage(
    given: dict[str, str], observer: Cluster, archive: Archive, tmp_path_factory: pytest.TempPathFactory
) -> Stage:
    """The sample's publisher with two more databases, whose names are hard."""
    cluster = connect(**given, dry_run=False)
    server = find_server(cluster, "app=postgres-primary", password=PASSWORD)
    for database in (HARD, LONGEST):
        server.execute(compose("CREATE DATABASE {} OWNER app", identifier(database)))
    server.execute(
        compose("CREATE TABLE {} (id serial PRIMARY KEY, n int)", identifier(TABLE)), database=HARD
    )
    server.execute(
        compose("INSERT INTO {} (n) SELECT generate_series(1, 50000)", identifier(TABLE)), database=HARD
    )
    for statement in (
        'CREATE SCHEMA "年末; --"',
        'CREATE TABLE "年末; --"."明細 {1}" ("番号" int PRIMARY KEY, "内容 %" text, "not sent" text)',
        """INSERT INTO "年末; --"."明細 {1}" SELECT n, n || ' % {}' FROM generate_series(1, 999) AS n""",
        "CREATE TABLE unpublished (id int PRIMARY KEY)",
    ):
        server.execute(statement, database=LONGEST)
    server.close()
    cluster.close()
    return Stage(given, observer, archive, tmp_path_factory.mktemp("dying"))


def _slots_to_take(stage: Stage, publisher: Server, subscriber: Server, *more: str) -> str:
    """Slots without a subscription, as the gate names them."""
    slots, there = logical_slots(publisher), databases_of(subscriber)
    return ", ".join(
        spec.slot
        for spec in stage.specs(publisher, *more)
        if spec.slot in slots
        and not (
            spec.database in there and spec.subscription in read_subscriptions(subscriber, spec.database)
        )
    )


@pytest.mark.parametrize(
    "death",
    [
        Death("restart by a rollout"),
        Death("load the schema", "end"),
        Death("create the logical slot sub_my_db", "end"),
    ],
    ids=["before the restart, a client writing", "some schemas loaded", "a slot without a subscription"],
)
def test_12_is_killed_and_goes_on_to_where_it_is_killed_next(death, stage):
    stage.killed("12", death, **SET_UP)


def test_a_slot_that_was_left_is_taken_when_it_is_named_and_the_copy_outlives_the_kernel(
    stage, publisher, subscriber
):
    left = _slots_to_take(stage, publisher, subscriber)
    assert left
    stopped = stage.run("12", **SET_UP)
    assert stopped.verdict == (Verdict.STOPPED_LATER if stopped.changes else Verdict.STOPPED)
    assert f"reuse_slots = {left!r}" in stopped.error
    with subscriber.new_session(HARD) as holder:
        # Somebody reads the table in peace: its copy waits, so that the kernel dies before it is through.
        holder.execute("BEGIN READ WRITE")
        holder.execute(compose("LOCK TABLE {} IN SHARE MODE", identifier(TABLE)))
        stage.killed("12", Death(behind="subscriptions.apply()"), reuse_slots=left, **SET_UP)
        copies = copy_progress(publisher, subscriber, stage.specs(publisher)).tables
    assert not next(copy for copy in copies if copy.table == TABLE).ready


def test_12_passes_by_plain_papermill_after_all_of_that(stage, executed, publisher, subscriber):
    assert runs.plain_papermill("12", stage.given, executed, **SET_UP) == Verdict.PASSED
    stage.assert_whole(publisher, subscriber)
    columns = subscriber.query('SELECT * FROM "年末; --"."明細 {1}" LIMIT 1', database=LONGEST)
    assert columns[0]["not sent"] is None


def test_12_07_goes_on_from_a_table_on_one_side_and_from_one_without_a_refresh(
    stage, executed, publisher, subscriber
):
    stage.killed("12_07", Death(": CREATE TABLE", "end"), **ADD_TABLE)
    stage.killed("12_07", Death("REFRESH PUBLICATION"), **ADD_TABLE)
    assert runs.plain_papermill("12_07", stage.given, executed, **ADD_TABLE) == Verdict.PASSED
    stage.assert_whole(publisher, subscriber)


def test_12_08_goes_on_from_a_database_without_its_content_and_from_a_slot(
    stage, executed, publisher, subscriber
):
    stage.killed("12_08", Death("CREATE DATABASE", "end"), **ADD_DATABASE)
    assert ADDED not in databases_of(publisher)
    stage.killed("12_08", Death("CREATE SUBSCRIPTION"), **ADD_DATABASE)
    left = _slots_to_take(stage, publisher, subscriber, ADDED)
    again = ADD_DATABASE | {"reuse_slots": left}
    assert runs.plain_papermill("12_08", stage.given, executed, **again) == Verdict.PASSED
    assert publisher.query("SELECT * FROM t", database=ADDED) == []
    stage.assert_whole(publisher, subscriber, ADDED)


@pytest.mark.parametrize("remedy", REMEDIES)
def test_a_remedy_of_12_09_that_had_emptied_a_table_fills_it(remedy, stage, publisher, subscriber):
    chosen = {"databases": DATABASES, "remedy": remedy, "remedy_database": HARD, **REMEDIES[remedy]}
    stage.killed("12_09", Death("remove every row", "end"), **chosen)
    query = compose("SELECT count(*) FROM {}", identifier(TABLE))
    assert subscriber.scalar(query, database=HARD) == 0
    record = stage.run("12_09", **chosen)
    assert record.verdict == Verdict.PASSED, record.error
    stage.assert_whole(publisher, subscriber, ADDED)
    publications = publisher.query("SELECT pubname FROM pg_publication", database=HARD)
    assert publications == [{"pubname": f"pub_{HARD}"}]


@pytest.mark.parametrize(
    "death",
    [
        Death("SET default_transaction_read_only = on", "end"),
        Death(": setval", "end"),
        Death("DROP SUBSCRIPTION", "end"),
        Death("selector: app=postgres-subscriber", "end"),
    ],
    ids=["writes blocked", "a sequence set", "the first subscription dropped", "clients switched"],
)
def test_12_10_is_killed_and_goes_on_to_where_it_is_killed_next(death, stage):
    stage.killed("12_10", death, allow_cutover=True)


def test_12_10_has_led_everybody_over_and_leaves_nothing(stage, publisher, subscriber):
    record = stage.run("12_10", allow_cutover=True)
    assert record.verdict == Verdict.PASSED, record.error
    assert logical_slots(publisher) == {}
    assert subscriber.query("SELECT * FROM pg_subscription") == []
    stage.assert_nothing_left(publisher, subscriber)
    query = compose("SELECT last_value FROM {}", identifier(f"{TABLE}_id_seq"))
    assert subscriber.scalar(query, database=HARD) == 50000


def test_the_client_was_promised_nothing_that_is_not_there(observer, subscriber):
    writer = Writer(observer, "app=sample-writer", "shop", "heartbeat")
    write_log = writer.report()
    assert write_log.acknowledged > 100
    assert not write_log.duplicates
    assert writer.check_durability(subscriber, write_log).missing == []


def test_no_secret_is_in_any_record_of_a_killed_run(archive, executed, observer):
    secrets = (*runs.SECRETS, runs.SUBSCRIBER_SECRET)
    runs.assert_no_secret(observer, secrets, archive.folder, executed)
    assert archive.verify() == []
