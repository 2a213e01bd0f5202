"""Known problems stop a set-up before its first change: partitions, extensions, rows, slots, restarts."""

from __future__ import annotations

import pytest
from logical_pair import Pair, carry_out

from pgnb.core.checks import Checks
from pgnb.core.errors import GateClosed
from pgnb.core.plan import gate
from pgnb.diagnosis.logical import diagnose_logical
from pgnb.logical.capacity import restart_checks
from pgnb.logical.identity import plan_replica_identity
from pgnb.logical.preflight import logical_preflight, publisher_preflight
from pgnb.logical.publication import read_publications
from pgnb.logical.publications import plan_publications
from pgnb.logical.slots import create_slot

_EXTENSION = (
    "SET allow_system_table_mods = on; INSERT INTO pg_extension (oid, extname, extowner, extnamespace,"
    " extrelocatable, extversion) VALUES ({}, '{}', 10, 2200, false, '2.17')"
)


def _stopped(checks: Checks) -> dict[str, str]:
    return {check.name: str(check.found) for check in checks.failed}


def _advised(checks: Checks) -> dict[str, str]:
    return {check.name: str(check.found) for check in checks if not check.ok and check.advice}


def test_an_extension_s_table_without_identity_stops_before_the_publication(pair: Pair) -> None:
    pair.make_database(
        "owned",
        "CREATE TABLE ext_t (i int); ALTER EXTENSION plpgsql ADD TABLE ext_t",
        "CREATE TABLE keyed (id int PRIMARY KEY); ALTER EXTENSION plpgsql ADD TABLE keyed",
        "CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY)",
    )
    checks = publisher_preflight(pair.publisher, pair.specs("owned"))
    found = _stopped(checks)["owned: UPDATE and DELETE are accepted"]
    assert "public.ext_t: no replica identity (extension plpgsql)" in found
    assert "ext_t (plpgsql)" in _advised(checks)["owned: tables of extensions"]
    assert "keyed (plpgsql)" in _advised(checks)["owned: tables of extensions"]
    assert not plan_replica_identity(pair.publisher, pair.specs("owned"))
    with pytest.raises(GateClosed, match="ext_t"):
        plan_publications(pair.publisher, pair.specs("owned")).apply()
    assert not read_publications(pair.publisher, "owned")
    pair.publisher.execute("INSERT INTO ext_t VALUES (1); DELETE FROM ext_t", database="owned")
    listed = pair.specs("owned", owned=["app.*"])
    assert not _stopped(publisher_preflight(pair.publisher, listed))


def test_extensions_that_replication_does_not_carry_are_named(pair: Pair) -> None:
    known = {99901: "timescaledb", 99902: "pg_partman"}
    table = "CREATE TABLE t (id int PRIMARY KEY)"
    pair.make_database("extended", table, *(_EXTENSION.format(oid, name) for oid, name in known.items()))
    specs = pair.specs("extended")
    checks = publisher_preflight(pair.publisher, specs)
    assert _stopped(checks) == {"extended: extension timescaledb": "timescaledb 2.17"}
    assert "extended: extension pg_partman" in _advised(checks)
    assert publisher_preflight(pair.publisher, specs, accept_not_copied=["timescaledb"]).ok


def test_another_version_of_an_extension_is_spoken_of(pair: Pair) -> None:
    older = "SET allow_system_table_mods = on; UPDATE pg_extension SET extversion = '0.9'"
    pair.make_database("aged", "CREATE TABLE t (id int PRIMARY KEY)", older)
    advised = _advised(logical_preflight(pair.publisher, pair.subscriber, pair.specs("aged")))
    assert advised["versions of extensions"] == "aged: plpgsql 0.9, on the subscriber 1.0"


def test_partitions_are_spoken_of_and_published_by_their_table_where_asked(pair: Pair) -> None:
    pair.make_database(
        "metered",
        "CREATE TABLE m (t int, v int, PRIMARY KEY (t, v)) PARTITION BY RANGE (t)",
        "CREATE TABLE m_1 PARTITION OF m FOR VALUES FROM (0) TO (10)",
        "INSERT INTO m VALUES (1, 1)",
        "CREATE TABLE parent (id int PRIMARY KEY)",
        "CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent)",
    )
    advised = _advised(publisher_preflight(pair.publisher, pair.specs("metered")))
    assert advised["metered: partitioned tables"] == "1: public.m"
    assert advised["metered: inherited tables"] == "1: child"
    specs = pair.specs("metered", via_root=True)
    assert "metered: partitioned tables" not in _advised(publisher_preflight(pair.publisher, specs))
    pair.set_up(specs)
    assert read_publications(pair.publisher, "metered")["pub_metered"].via_root
    pair.publisher.execute("CREATE TABLE m_2 PARTITION OF m FOR VALUES FROM (10) TO (20)", database="metered")
    pair.subscriber.execute("CREATE TABLE m_x PARTITION OF m DEFAULT", database="metered")
    pair.publisher.execute(
        "INSERT INTO m VALUES (12, 1); UPDATE m SET v = 2 WHERE t = 12", database="metered"
    )
    assert not diagnose_logical(pair.publisher, pair.subscriber, specs).findings
    with pytest.raises(GateClosed, match="partitioned table"):
        pair.make_database("unrooted", "CREATE TABLE t (id int PRIMARY KEY)")
        carry_out(plan_publications(pair.publisher, pair.specs("unrooted")))
        plan_publications(pair.publisher, pair.specs("unrooted", via_root=True))


def test_rows_slots_schemas_and_databases_of_the_subscriber_stop_before_any_change(pair: Pair) -> None:
    table = "CREATE TABLE t (id int PRIMARY KEY, v text)"
    pair.make_database("occupied", table)
    pair.make_database("absent", table)
    pair.subscriber.execute("CREATE DATABASE occupied")
    pair.subscriber.execute(
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)", database="occupied"
    )
    specs = pair.specs("occupied", "absent")
    create_slot(pair.publisher, specs[1], two_phase=False, failover=False, timeout=30)
    entries = len(pair.cluster.journal.entries)
    checks = logical_preflight(pair.publisher, pair.subscriber, specs, create_databases=False, settings=False)
    found = _stopped(checks)
    assert found["occupied: no rows before the copy"] == "public.t"
    assert found["occupied: existing schema"] == "t: missing column v"
    assert found["unused slots"] == specs[1].slot
    assert found["databases on the subscriber"] == "missing: absent"
    with pytest.raises(GateClosed):
        gate(checks)
    assert len(pair.cluster.journal.entries) == entries
    again = logical_preflight(
        pair.publisher, pair.subscriber, specs, copy_data=False, settings=False, reuse_slots=specs[1].slot
    )
    assert set(_stopped(again)) == {"occupied: existing schema"}


def test_a_restart_that_is_not_allowed_stops_before_a_setting_is_written(pair: Pair) -> None:
    pair.make_database("many", "CREATE TABLE t (id int PRIMARY KEY)")
    specs = pair.specs("many")
    assert restart_checks(pair.publisher, pair.subscriber, specs, allow_restart=False).ok
    many = [specs[0]] * 60
    checks = restart_checks(pair.publisher, pair.subscriber, many, allow_restart=False)
    assert f"restart of {pair.publisher.name}" in _stopped(checks)
    assert restart_checks(pair.publisher, pair.subscriber, many, allow_restart=True).ok
