"""The same findings on other versions, whose messages and catalogs differ."""

from __future__ import annotations

import pytest
from diagnosis_pair import ROLE, SECRET, DiagnosisPair, altered, carry_out, set_system

from pgnb.postgres.roles import plan_role
from tests.versions import images

pytestmark = [pytest.mark.long, pytest.mark.parametrize("image", images(), indirect=True, scope="module")]


def test_the_connection(pair: DiagnosisPair) -> None:
    new = pair.primary.facts.major >= 16
    refusal = "permission denied to start WAL sender" if new else "must be superuser or replication role"
    pair.healthy()
    pair.primary.execute("ALTER ROLE replicator NOREPLICATION")
    pair.cut()
    assert refusal in pair.found("no-replication").evidence[0]
    pair.primary.execute("ALTER ROLE replicator REPLICATION PASSWORD 'another'", what="another password")
    pair.cut_off()
    pair.found("wrong-password")
    carry_out(plan_role(pair.primary, ROLE, SECRET))
    pair.healthy()


def test_the_slot_and_its_wal(pair: DiagnosisPair) -> None:
    with altered(pair.standby, "primary_slot_name", "mistyped"):
        assert "no slot mistyped" in pair.found("slot-missing").cause
    pair.healthy()
    with altered(pair.primary, "max_slot_wal_keep_size", "16MB"):
        with pair.without_stream():
            pair.switch_wal(4)
        pair.found("slot-lost", "wal-removed")


def test_a_broken_line_and_a_restart(pair: DiagnosisPair) -> None:
    path = pair.primary.facts.hba_file
    pair.write(pair.primary, path, "$a hosst all all 10.0.0.0/8 trust")
    set_system(pair.primary, "max_connections", "120")
    found = pair.look()
    assert {"broken-hba", "pending-restart"} <= found.kinds
