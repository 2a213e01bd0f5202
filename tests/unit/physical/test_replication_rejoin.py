"""Forks of two histories, the rejoin method that they allow, and changed connections."""

from __future__ import annotations

from typing import Any

import pytest

from pgnb.cluster import Workload
from pgnb.cluster.security import User
from pgnb.core.errors import ParameterError
from pgnb.physical.login import logs_in
from pgnb.physical.old_primary_data import Control, Divergence, OldPrimaryData
from pgnb.physical.rejoin_method import choose_method
from pgnb.physical.timelines import Fork, History, fork, segment_of, segment_start
from pgnb.postgres.conninfo import merged, parts_of
from pgnb.postgres.source import Source

MB = 1024 * 1024
SECOND = History.of(2, "1\t0/3000000\tno recovery target specified\n")


@pytest.mark.parametrize(
    ("one", "other", "parted"),
    [
        (History(1), SECOND, Fork(1, 0x3000000)),
        (SECOND, SECOND, Fork(2, None)),
        (History(1), History(1), Fork(1, None)),
        (History.of(3, "1 0/2000000"), SECOND, Fork(1, 0x2000000)),
        (History.of(3, "1 0/3000000\n2 0/5000000"), SECOND, Fork(2, 0x5000000)),
        (History.of(2, "1 0/2500000"), SECOND, Fork(1, 0x2500000)),
        (History(2), SECOND, None),
    ],
)
def test_where_two_histories_part(one: History, other: History, parted: Fork | None) -> None:
    assert fork(one, other) == parted
    assert fork(other, one) == parted


def test_a_history_file_may_have_comments_and_reasons() -> None:
    text = '# restored\n1\t0/3000000\tbefore 2020\n\n2\tA/5000000\tat restore point "x y"\n'
    assert History.of(3, text).ancestors == ((1, 0x3000000), (2, 0xA05000000))


@pytest.mark.parametrize("size", [MB, 16 * MB, 1024 * MB])
def test_a_segment_is_named_by_its_first_byte(size: int) -> None:
    for lsn in (0, size - 1, size, 0xFFFFFFFF, 0x1_0000_0000 + 3 * size + 5):
        name = "00000007" + segment_of(lsn, size)
        assert segment_start(name, size) == lsn // size * size


def control(**changed: str) -> Control:
    text = {
        "state": "shut down",
        "checkpoint": "0/3000028",
        "redo": "0/3000028",
        "timeline": "1",
        "full_page_writes": "on",
        "wal_log_hints": "on",
        "checksums": "0",
        "segment_size": str(16 * MB),
        "segments": "000000010000000000000002 000000010000000000000003 000000010000000000000001",
    }
    return Control({**text, **changed})


def old_data(
    *,
    end: int | None,
    common: int | None = 0x2000028,
    fork_lsn: int | None = 0x3000100,
    divergence: Divergence | None = None,
    **changed: str,
) -> OldPrimaryData:
    return OldPrimaryData(control(**changed), Fork(1, fork_lsn), end, common, divergence)


OLDEST = "0000000000000002"
LOST = Divergence(1, "0/3000100", 900, 3, inserted=3)


def test_what_ends_before_the_fork_follows() -> None:
    assert choose_method(old_data(end=0x3000028), OLDEST) == ("follow", "")


@pytest.mark.parametrize("end", [0x3000100, 0x3000200, None])
def test_what_goes_on_behind_the_fork_is_rewound(end: int | None) -> None:
    method, why = choose_method(old_data(end=end, divergence=LOST), OLDEST)
    assert method == "rewind"
    assert "not by follow: it is ahead of the fork by 3 transactions" in why


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"wal_log_hints": "off"}, "neither data checksums nor wal_log_hints"),
        ({"full_page_writes": "off"}, "full_page_writes was off"),
        ({"common": None}, "does not go back to the last checkpoint"),
        ({"common": 0x1000028}, "has removed the WAL since the last checkpoint before the fork (0/1000028)"),
        ({"rewind_interrupted": "yes"}, "interrupted while it wrote"),
    ],
)
def test_what_stands_against_pg_rewind_is_said(changed: dict[str, Any], words: str) -> None:
    found = old_data(end=0x3000200, divergence=LOST, **changed)
    method, why = choose_method(found, OLDEST)
    assert method == "base backup"
    assert words in why
    with pytest.raises(ParameterError, match="'rewind' is not possible") as refused:
        choose_method(found, OLDEST, requested="rewind")
    assert words in str(refused.value)


def test_checksums_do_as_well_as_hints() -> None:
    found = old_data(end=0x3000200, divergence=LOST, wal_log_hints="off", checksums="1")
    assert choose_method(found, OLDEST)[0] == "rewind"
    assert choose_method(found, OLDEST, tablespaces=True)[0] == "base backup"


def test_wal_that_the_new_primary_removed_forbids_to_follow() -> None:
    method, why = choose_method(old_data(end=0x3000028, common=0x3000028), "0000000000000004")
    assert method == "base backup"
    assert "removed the WAL since its end (0/3000028)" in why


def test_two_primaries_on_one_timeline_cannot_be_told_apart() -> None:
    assert choose_method(old_data(end=0x3000028, fork_lsn=None), OLDEST)[0] == "base backup"
    standby = old_data(end=0x3000028, fork_lsn=None, state="shut down in recovery")
    assert choose_method(standby, OLDEST)[0] == "follow"


def test_data_of_another_cluster_and_an_unknown_way() -> None:
    assert choose_method(None, OLDEST)[0] == "base backup"
    with pytest.raises(ParameterError, match="no rejoin method"):
        choose_method(old_data(end=0x3000028), OLDEST, requested="magic")


def test_a_heavier_way_than_needed_may_be_asked_for() -> None:
    assert choose_method(old_data(end=0x3000028), OLDEST, requested="base backup") == ("base backup", "")


def test_the_oldest_wal_without_a_gap() -> None:
    at = Fork(1, 0x3000100)
    assert control().oldest_start(at) == "0/1000000"
    assert (
        control(segments="000000010000000000000001 000000010000000000000003").oldest_start(at) == "0/3000000"
    )
    assert control(segments="000000020000000000000003").oldest_start(at) == ""


def test_the_newest_timeline_is_the_one_it_recovered_to() -> None:
    found = control(recovery_timeline="2", history_00000002="1 0/3000000;")
    assert found.history == History(2, ((1, 0x3000000),))


def test_what_is_dropped_reads_as_a_sentence() -> None:
    assert LOST.loses and "3 rows inserted" in LOST.summary
    assert not Divergence(1, "0/1", 100, 0).loses
    assert Divergence(1, "0/1", 100, None).loses


def test_a_connection_led_elsewhere_keeps_what_it_said_besides() -> None:
    standing = r"host=old hostaddr=10.0.0.1 password='it\'s' keepalives_idle=30 sslcert='/a b/c' user=r"
    led = merged(standing, "host=new port=5432 user=r passfile=/run/pgnb/passfile")
    assert parts_of(led) == {
        "host": "new",
        "keepalives_idle": "30",
        "sslcert": "/a b/c",
        "user": "r",
        "port": "5432",
        "passfile": "/run/pgnb/passfile",
    }
    assert merged("postgresql://u:p@old/db", "host=new") == "host=new"


def test_a_template_logs_in_only_at_its_own_source() -> None:
    source = Source("db", 5432, "replicator", "replication")
    init = {"name": "passfile", "command": list(source.passfile_command),
            "env": [{"name": "PGNB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "replication", "key": "password"}}}]}  # fmt: skip  # noqa: E501
    security = {"runAsUser": 70}
    spec = {"initContainers": [init], "containers": [{"name": "postgres"}], "securityContext": security}
    owner = User(999, 999)
    workload = Workload.of(
        {"kind": "Deployment", "metadata": {"name": "standby"}, "spec": {"template": {"spec": spec}}}
    )
    assert logs_in(workload, "postgres", source, owner)
    assert not logs_in(workload, "postgres", Source("other", 5432, "replicator", "replication"), owner)
    assert not logs_in(workload, "postgres", Source("db", 5432, "replicator", "another"), owner)
    del spec["initContainers"]
    assert not logs_in(workload, "postgres", source, owner)
