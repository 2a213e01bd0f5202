"""Messages of the servers, by version, and how a log is classified."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pgnb.cluster import LogLine
from pgnb.core.findings import AREAS, KINDS, Diagnosis, Finding
from pgnb.diagnosis.physical.collect import connection_parts
from pgnb.diagnosis.physical.log_messages import (
    classify_message,
    last_known_error,
    warnings_of,
    with_timestamp,
)

AT = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
STREAMS = "LOG:  started streaming WAL from primary at 0/3000000 on timeline 1"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("wrong-password", 'FATAL:  password authentication failed for user "replicator"'),
        ("wrong-password", "connection to server failed: fe_sendauth: no password supplied"),
        ("hba-rejects", 'FATAL:  no pg_hba.conf entry for replication connection from host "10.1.0.9"'),
        ("hba-rejects", 'FATAL:  pg_hba.conf rejects replication connection for host "10.1.0.9"'),
        ("no-replication", "FATAL:  must be superuser or replication role to start walsender"),
        ("no-replication", "FATAL:  permission denied to start WAL sender"),
        ("no-replication", 'FATAL:  role "replicator" is not permitted to log in'),
        ("slot-missing", 'ERROR:  replication slot "replica_slot" does not exist'),
        ("slot-in-use", 'ERROR:  replication slot "replica_slot" is active for PID 412'),
        ("slot-lost", 'ERROR:  can no longer get changes from replication slot "replica_slot"'),
        ("slot-lost", 'ERROR:  can no longer access replication slot "replica_slot"'),
        ("wal-removed", "ERROR:  requested WAL segment 000000010000000000000007 has already been removed"),
        ("setting-too-low", "hot standby is not possible because of insufficient parameter settings"),
        ("setting-too-low", "FATAL:  recovery aborted because of insufficient parameter settings"),
        ("other-system", "FATAL:  database system identifier differs between the primary and standby"),
        ("other-timeline", "FATAL:  highest timeline 1 of the primary is behind recovery timeline 2"),
        ("other-timeline", "new timeline 2 forked off current database system timeline 1 before current"),
        ("no-free-sender", "FATAL:  number of requested standby connections exceeds max_wal_senders"),
        ("no-free-sender", 'FATAL:  number of requested standby connections exceeds "max_wal_senders"'),
        ("unreachable", 'could not translate host name "primari" to address: Name or service not known'),
        ("unreachable", "connection to server failed: Connection refused"),
        ("disk-full", 'PANIC:  could not write to file "pg_wal/xlogtemp.61": No space left on device'),
        ("broken-configuration", 'LOG:  syntax error in file "/data/postgresql.conf" line 8, near token "="'),
        ("broken-configuration", 'LOG:  unrecognized configuration parameter "shared_bufers" in file'),
        ("broken-hba", "FATAL:  could not load /data/pg_hba.conf"),
        ("", "LOG:  checkpoint starting: time"),
        ("", STREAMS),
    ],
)
def test_words_have_one_meaning(kind: str, words: str) -> None:
    assert classify_message(words) == kind
    assert not kind or kind in KINDS


def log(*texts: str) -> list[LogLine]:
    return [LogLine(text, AT) for text in texts]


def test_only_what_was_said_since_wal_streamed_counts() -> None:
    refused = 'FATAL:  password authentication failed for user "replicator"'
    assert last_known_error(log(refused, STREAMS)) == ("", "")
    assert last_known_error(log(STREAMS, refused, "LOG:  waiting"))[0] == "wrong-password"
    assert last_known_error([]) == ("", "")


def test_a_start_is_no_complaint() -> None:
    lines = log("FATAL:  the database system is starting up", "ERROR:  division by zero", STREAMS)
    assert [line.text for line in warnings_of(lines)] == ["ERROR:  division by zero"]


def test_a_line_shows_its_time_once_and_no_secret() -> None:
    assert with_timestamp(LogLine("FATAL:  x", AT)) == "log 12:00:05: FATAL:  x"
    assert (
        with_timestamp(LogLine("2026-03-01 12:00:05 UTC FATAL:  x", AT))
        == "log: 2026-03-01 12:00:05 UTC FATAL:  x"
    )
    assert "hunter2" not in with_timestamp(LogLine("STATEMENT:  ALTER ROLE r PASSWORD 'hunter2'", AT))


def test_connection_texts_are_read_as_libpq_reads_them() -> None:
    text = r"user=replicator passfile='/run/pgnb/pass file' host = a password='it\'s' host=primary"
    assert connection_parts(text) == {
        "user": "replicator",
        "passfile": "/run/pgnb/pass file",
        "host": "primary",
        "password": "it's",
    }
    assert connection_parts("") == {}


def finding(kind: str, subject: str = "pod/a") -> Finding:
    return Finding(kind, subject, "since", ("seen",), "mend")


def test_the_worst_comes_first_and_each_once() -> None:
    found = [finding("pending-restart"), finding("slot-at-risk"), finding("wrong-password")]
    diagnosis = Diagnosis.of([*found, found[0]], ["pod/a", "pod/b"])
    assert [one.kind for one in diagnosis] == ["wrong-password", "slot-at-risk", "pending-restart"]
    assert diagnosis.sentence == "the password is wrong: pod/a (and 2 more)"
    assert str(diagnosis.map).count("✓") == 2 * len(AREAS) - 3


def test_every_kind_belongs_to_an_area_that_is_shown() -> None:
    assert {kind.area for kind in KINDS.values()} == {*AREAS, "logical replication"}
