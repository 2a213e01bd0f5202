"""The subscriber's log, as several versions of the server write it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pgnb.cluster.logs import LogLine
from pgnb.logical.conflicts import WorkerError, WorkerErrors, worker_errors
from pgnb.logical.server_log import reports

AT = datetime(2026, 1, 1, tzinfo=UTC)
P = "2026-01-01 00:00:00.000 UTC"
STARTED = f'{P} [7] LOG:  logical replication apply worker for subscription "sub a" has started'
COPYING = (
    f'{P} [8] LOG:  logical replication table synchronization worker for subscription "sub a", table "u"'
    " has started"
)


def read(*lines: str) -> tuple[WorkerError, ...]:
    return worker_errors(reports([LogLine(line, AT) for line in lines]), {16441: "sub a"})


def only(*lines: str) -> WorkerError:
    (found,) = read(*lines)
    return found


def test_a_duplicate_key_of_15_to_17_has_table_key_and_lsn() -> None:
    found = only(
        f'{P} [7] ERROR:  duplicate key value violates unique constraint "t_pkey"',
        f"{P} [7] DETAIL:  Key (a, b)=(7, x) already exists.",
        f'{P} [7] CONTEXT:  processing remote data for replication origin "pg_16441" during message type'
        ' "INSERT"'
        ' for replication target relation "public.t" in transaction 767, finished at 0/20B2E98',
    )
    assert (found.category, found.subscription, found.table) == ("duplicate key", "sub a", "public.t")
    assert (found.lsn, found.xid, found.phase) == ("0/20B2E98", 767, "apply")
    assert (found.columns, found.values) == ("a, b", "7, x")


def test_14_tells_no_lsn_and_of_the_table_the_constraint_or_the_bare_name() -> None:
    found = only(
        STARTED,
        f'{P} [7] ERROR:  duplicate key value violates unique constraint "t_pkey"',
        f"{P} [7] DETAIL:  Key (id)=(1) already exists.",
    )
    assert (found.subscription, found.category, found.lsn, found.xid) == (
        "sub a",
        "duplicate key",
        None,
        None,
    )
    assert (found.table, found.constraint, found.columns, found.values) == ("", "t_pkey", "id", "1")
    for words in ('null value in column "v" of', "new row for"):
        found = only(STARTED, f'{P} [7] ERROR:  {words} relation "t" violates check constraint "t_v_check"')
        assert (found.category, found.table, found.constraint) == ("refused value", "t", "")


def test_a_parallel_apply_tells_no_lsn_and_its_leader_only_that_it_ended() -> None:
    context = (
        'CONTEXT:  processing remote data for replication origin "pg_16441" during message type "INSERT" for'
        ' replication target relation "public.t" in transaction 794'
    )
    first, *after = read(
        STARTED,
        f'{P} [7] ERROR:  duplicate key value violates unique constraint "t_pkey"',
        f"{P} [7] {context}",
        f"{P} [6] ERROR:  logical replication parallel apply worker exited due to error",
        f"{P} [6] {context}",
        "\tlogical replication parallel apply worker",
        STARTED.replace("[7]", "[9]"),
        f"{P} [9] ERROR:  replication origin with ID 1 is already active for PID 6",
        f"{P} [9] ERROR:  could not send data to shared-memory queue",
    )
    assert (first.category, first.table, first.lsn, first.xid) == ("duplicate key", "public.t", None, 794)
    assert [(i.category, i.subscription) for i in after] == [("secondary", "sub a")] * 3


def test_18_spells_a_conflict_of_its_own() -> None:
    found = only(
        f'{P} [7] ERROR:  conflict detected on relation "public.t": conflict=insert_exists',
        f'{P} [7] DETAIL:  Key already exists in unique index "t_pkey", modified in transaction 740.',
        "\tKey (id)=(1); existing local row (1, local); remote row (1, remote).",
        f'{P} [7] CONTEXT:  processing remote data for replication origin "pg_16441" during message type'
        ' "INSERT"'
        ' for replication target relation "public.t" in transaction 725, finished at 0/14BFA88',
    )
    assert (found.category, found.table, found.lsn) == ("duplicate key", "public.t", "0/14BFA88")
    assert (found.columns, found.values) == ("id", "1")
    assert "existing local row (1, local)" in found.detail


def test_18_logs_rows_that_were_not_there() -> None:
    found = only(
        f'{P} [7] LOG:  conflict detected on relation "public.t": conflict=update_missing',
        f"{P} [7] DETAIL:  Could not find the row to be updated.",
    )
    assert (found.category, found.table) == ("missing row", "public.t")


def test_a_copy_is_known_by_the_worker_that_reported_it() -> None:
    found = only(
        COPYING,
        f'{P} [8] ERROR:  duplicate key value violates unique constraint "u_pkey"',
        f"{P} [8] DETAIL:  Key (id)=(1) already exists.",
        f"{P} [8] CONTEXT:  COPY u, line 1",
    )
    assert (found.phase, found.subscription, found.table, found.lsn) == ("copy", "sub a", "u", None)


def test_the_same_again_and_again_is_one_error() -> None:
    again = (
        STARTED,
        f'{P} [7] ERROR:  apply worker for subscription "sub a" could not connect to the publisher: x',
    )
    found = only(*again, *again, *again)
    assert (found.count, found.category, found.subscription) == (3, "connection", "sub a")
    assert "(3 times)" in found.summary


@pytest.mark.parametrize(
    ("message", "category"),
    [
        ('logical replication target relation "public.n" does not exist', "missing table"),
        (
            'logical replication target relation "public.n" is missing replicated column: "v"',
            "missing column",
        ),
        ('null value in column "v" of relation "t" violates not-null constraint', "refused value"),
        ('could not start WAL streaming: ERROR:  replication slot "s" does not exist', "no slot"),
        ('could not receive data from WAL stream: ERROR:  publication "p" does not exist', "publication"),
        ("could not receive data from WAL stream: server closed the connection", "connection"),
        ("could not send end-of-streaming message to primary: no COPY in progress", "connection"),
        ('can no longer access replication slot "s"', "no slot"),
        ("division by zero", "other"),
    ],
)
def test_messages_mean_what_they_say(message: str, category: str) -> None:
    assert only(STARTED, f"{P} [7] ERROR:  {message}").category == category


def test_workers_that_are_lacking_are_a_warning() -> None:
    found = only(
        f"{P} [5] WARNING:  out of logical replication worker slots",
        f'{P} [5] HINT:  You might need to increase "max_logical_replication_workers".',
    )
    assert found.category == "no worker"
    assert "max_logical_replication_workers" in found.hint


def test_what_clients_do_wrong_is_not_a_worker_s() -> None:
    assert (
        read(
            "initdb: warning: enabling trust",
            f"{P} [9] ERROR:  division by zero",
            f'{P} [9] ERROR:  duplicate key value violates unique constraint "t_pkey"',
            f"{P} [9] DETAIL:  Key (id)=(1) already exists.",
            f"{P} [9] STATEMENT:  INSERT INTO t VALUES (1)",
            f"{P} [7] FATAL:  terminating logical replication worker due to administrator command",
        )
        == ()
    )


def test_the_table_of_worker_errors_shows_key_and_lsn() -> None:
    shown = str(
        WorkerErrors(
            (WorkerError("duplicate key", "m", "s", "public.t", lsn="0/1", columns="a", values="1"),)
        )
    )
    assert "(a) = (1)" in shown
    assert "0/1" in shown
    assert "No error of a subscription's worker" in str(WorkerErrors(()))
