"""Each problem of section 12.9 is caused, found as what it is, and remedied after its confirmation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from trouble_stage import Stage, carry_out

from pgnb.core.errors import GateClosed, ParameterError
from pgnb.core.plan import gate
from pgnb.diagnosis.logical.observation import resolve_table
from pgnb.logical.conflicts import WorkerError
from pgnb.logical.schema_diff import compare_schemas

_UNFLUSHED = """
SET allow_system_table_mods = on;
INSERT INTO pg_replication_origin
SELECT (SELECT max(roident::oid::int) + 1 FROM pg_replication_origin)::text::oid,
       format('pg_%s_%s', oid, 't'::regclass::oid)
  FROM pg_subscription WHERE subname = 'sub_unflushed';
UPDATE pg_subscription_rel SET srsubstate = 'f' WHERE srrelid = 't'::regclass;
RESET allow_system_table_mods"""


def test_a_healthy_database_yields_nothing(stage: Stage) -> None:
    spec = stage.replicated("healthy")
    found = stage.diagnose(spec)
    assert list(found) == []
    assert found.checks(stage.cluster.journal).ok
    assert "Nothing is wrong in healthy" in str(found)


def test_a_conflict_is_told_with_its_row_and_skipped_by_its_lsn(stage: Stage) -> None:
    spec = stage.replicated("conflict")
    stage.subscriber.execute("INSERT INTO t VALUES (770077, 'local')", database="conflict")
    both = "INSERT INTO u VALUES (70, 'left out'); INSERT INTO t VALUES (770077, 'remote')"
    stage.publisher.execute(both, database="conflict")
    finding = stage.find(spec, "conflict")
    assert finding.subject == "public.t"
    evidence = "\n".join(finding.evidence)
    assert "Key (id)=(770077) already exists" in evidence
    assert "local" in evidence
    assert "remote" in evidence
    assert finding.lsn in evidence
    assert finding.remedy_id == ""  # The remedy that loses rows is named last, and is not the remedy's ID.
    assert finding.remedy.index("Remove or change the row") < finding.remedy.index("remedy = 'skip'")
    hidden = stage.diagnose(spec, show_rows=False)
    told = "\n".join(hidden.findings[0].evidence)
    assert [word for word in ("770077", "remote", '"local"') if word in told] == []
    assert "Key (id)=(…) already exists" in told
    assert "different columns: v" in told
    change = stage.remedy(spec, "skip")
    for wrong in ("", "0/1", spec.subscription):
        with pytest.raises(GateClosed, match="confirm_remedy"):
            gate(change, confirm_remedy=wrong)
    carry_out(change, confirm_remedy=finding.lsn)
    stage.publisher.execute("INSERT INTO t VALUES (78, 'later')", database="conflict")
    stage.wait_applied(spec)
    assert stage.diagnose(spec).kinds == frozenset()
    # The whole transaction is skipped, which the counts show and a new copy corrects.
    assert not stage.same(spec, "t")
    assert not stage.same(spec, "u")
    for table in ("public.t", "public.u"):
        carry_out(stage.remedy(spec, "resync", table), confirm_remedy=table)
        assert stage.same(spec, table)
    assert stage.publisher.query("SELECT pubname FROM pg_publication", database="conflict") == [
        {"pubname": spec.publication}
    ]


@pytest.mark.long
def test_a_skip_that_came_too_late_is_refused(stage: Stage) -> None:
    spec = stage.replicated("late")
    stage.subscriber.execute("INSERT INTO u VALUES (30, 'local')", database="late")
    stage.publisher.execute("INSERT INTO u VALUES (30, 'remote')", database="late")
    finding = stage.find(spec, "conflict")
    change = stage.remedy(spec, "skip")
    stage.subscriber.execute("DELETE FROM u WHERE id = 30", database="late")
    assert stage.same(spec, "u")
    change.grant(confirm_remedy=finding.lsn)
    with pytest.raises(GateClosed, match="waits"):
        change.apply()


@pytest.mark.long
def test_a_conflict_of_a_parallel_apply_is_told_with_its_row_and_cannot_be_skipped(stage: Stage) -> None:
    spec = stage.replicated("parallel", streaming="parallel")
    stage.stream_at_once(spec)
    stage.subscriber.execute("INSERT INTO t VALUES (770077, 'local')", database="parallel")
    stage.publisher.execute("INSERT INTO t VALUES (770077, 'remote')", database="parallel")
    finding = stage.find(spec, "conflict")
    assert (finding.subject, finding.lsn, finding.remedy_id) == ("public.t", None, "")
    evidence = "\n".join(finding.evidence)
    assert "local" in evidence
    assert "remote" in evidence
    assert "cannot be skipped" in finding.remedy
    assert "apply-fails" not in stage.diagnose(spec).kinds
    with pytest.raises(GateClosed, match="no transaction to skip"):
        stage.remedy(spec, "skip")
    stage.subscriber.execute("DELETE FROM t WHERE id = 770077", database="parallel")
    assert stage.same(spec, "t")
    assert stage.diagnose(spec).kinds == frozenset()


def test_a_constraint_tells_the_table_where_the_log_does_not(stage: Stage) -> None:
    spec = stage.existing("healthy")
    tables = [("public", "t"), ("public", "u")]
    worker_error = WorkerError("duplicate key", "a key of 14", spec.subscription)

    def table(**known: str) -> str:
        return resolve_table(stage.subscriber, spec, tables, replace(worker_error, **known)).table

    assert table(constraint="u_pkey") == "public.u"
    assert table(table="t") == "public.t"
    assert table(constraint="no_such") == table() == ""
    assert table(table="elsewhere.t") == "elsewhere.t"


def test_a_copy_onto_rows_stalls_and_that_table_alone_is_copied_again(stage: Stage) -> None:
    spec = stage.replicated("stalled")
    for server in (stage.publisher, stage.subscriber):
        server.execute("CREATE TABLE late (id integer PRIMARY KEY, v text)", database="stalled")
    stage.publisher.execute("INSERT INTO late VALUES (1, 'a'), (2, 'b')", database="stalled")
    stage.subscriber.execute("INSERT INTO late VALUES (2, 'here first')", database="stalled")
    stage.subscriber.execute(
        f"ALTER SUBSCRIPTION {spec.subscription} REFRESH PUBLICATION", database="stalled"
    )
    finding = stage.find(spec, "stalled-sync")
    assert finding.subject == "public.late"
    assert "Key (id)=(2) already exists" in "\n".join(finding.evidence)
    with pytest.raises(GateClosed, match="not confirmed"):
        stage.remedy(spec, "resync", "late").apply()
    carry_out(stage.remedy(spec, "resync", "late"), confirm_remedy="public.late")
    assert stage.same(spec, "late")
    assert stage.diagnose(spec).kinds == frozenset()


@pytest.mark.long
def test_a_copy_that_ended_unflushed_before_a_crash_is_copied_again(stage: Stage) -> None:
    """The state after the crash is created by hand: the table is catching up, and its slot was dropped."""
    spec = stage.replicated("unflushed")
    stage.subscriber.execute(_UNFLUSHED, database="unflushed")
    finding = stage.find(spec, "stalled-sync")
    assert (finding.subject, finding.remedy_id) == ("public.t", "resync")
    assert "_sync_" in finding.evidence[0]
    assert "its slot no longer exists" in finding.cause
    stage.publisher.execute("INSERT INTO t VALUES (91, 'meanwhile')", database="unflushed")
    carry_out(stage.remedy(spec, "resync", "t"), confirm_remedy="public.t")
    assert stage.same(spec, "t")
    assert stage.diagnose(spec).kinds == frozenset()


def test_a_table_that_others_refer_to_is_copied_again_without_touching_them(stage: Stage) -> None:
    spec = stage.replicated("referred", ["t", {"table": "items", "where": "line > 0"}, "u"])
    stage.subscriber.execute(
        "DELETE FROM items WHERE t_id > 5; UPDATE t SET v = 'wrong'", database="referred"
    )
    stage.publisher.execute("INSERT INTO u VALUES (50, 'meanwhile')", database="referred")
    carry_out(stage.remedy(spec, "resync", "t"), confirm_remedy="public.t")
    assert stage.same(spec, "t")
    assert len(stage.rows(stage.subscriber, spec, "items")) == 5
    assert stage.same(spec, "u")
    stage.publisher.execute("INSERT INTO t VALUES (99, 'after')", database="referred")
    assert stage.same(spec, "t")


def test_a_table_that_the_subscription_does_not_know_is_refreshed(stage: Stage) -> None:
    spec = stage.replicated("unknown")
    for server in (stage.subscriber, stage.publisher):
        server.execute("CREATE TABLE added (id integer PRIMARY KEY)", database="unknown")
    stage.publisher.execute("INSERT INTO added SELECT generate_series(1, 7)", database="unknown")
    finding = stage.find(spec, "not-refreshed")
    assert finding.subject == "public.added"
    carry_out(stage.remedy(spec, "refresh"), confirm_remedy=spec.subscription)
    stage.wait_ready(spec)
    assert stage.same(spec, "added")
    assert not stage.remedy(spec, "refresh")


def test_a_disabled_subscription_is_enabled(stage: Stage) -> None:
    spec = stage.replicated("disabled")
    stage.subscriber.execute(f"ALTER SUBSCRIPTION {spec.subscription} DISABLE", database="disabled")
    stage.publisher.execute("INSERT INTO t VALUES (21, 'waits')", database="disabled")
    finding = stage.find(spec, "disabled")
    assert finding.cause == "somebody disabled it"
    with pytest.raises(GateClosed, match="is disabled"):
        stage.remedy(spec, "resync", "t")
    carry_out(stage.remedy(spec, "enable"), confirm_remedy=spec.subscription)
    assert stage.same(spec, "t")
    assert not stage.remedy(spec, "enable")


def test_an_error_that_disabled_a_subscription_is_named_and_skipped(stage: Stage) -> None:
    spec = stage.replicated("erroneous", disable_on_error=True)
    stage.subscriber.execute("INSERT INTO t VALUES (31, 'local')", database="erroneous")
    stage.publisher.execute("INSERT INTO t VALUES (31, 'remote')", database="erroneous")
    finding = stage.find(spec, "disabled")
    assert "disable_on_error" in finding.cause
    assert finding.lsn
    carry_out(stage.remedy(spec, "skip"), confirm_remedy=finding.lsn)
    assert stage.diagnose(spec).kinds == frozenset()


@pytest.mark.long
@pytest.mark.parametrize("how", ["dropped", "invalidated"])
def test_a_lost_slot_takes_a_new_copy(stage: Stage, how: str) -> None:
    spec = stage.replicated(f"slotless_{how}")
    stage.subscriber.execute(f"ALTER SUBSCRIPTION {spec.subscription} DISABLE", database=spec.database)
    stage.lose_slot(spec, how)
    stage.publisher.execute(
        "INSERT INTO t VALUES (40, 'after'); DELETE FROM u WHERE id = 3", database=spec.database
    )
    stage.subscriber.execute(f"ALTER SUBSCRIPTION {spec.subscription} ENABLE", database=spec.database)
    finding = stage.find(spec, "lost-slot")
    assert finding.subject == spec.slot
    assert stage.diagnose(spec).kinds == {"lost-slot"}
    carry_out(stage.remedy(spec, "recreate"), confirm_remedy=spec.subscription)
    stage.wait_ready(spec)
    for table in ("t", "u", "items"):
        assert stage.same(spec, table)
    assert stage.diagnose(spec).kinds == frozenset()


def test_a_publication_that_is_gone_is_no_ground_for_a_copy(stage: Stage) -> None:
    spec = stage.replicated("unpublished")
    stage.publisher.execute(f"DROP PUBLICATION {spec.publication}", database="unpublished")
    assert stage.find(spec, "no-publication").subject == spec.publication
    change = stage.remedy(spec, "recreate")
    change.grant(confirm_remedy=spec.subscription)
    with pytest.raises(GateClosed, match=spec.publication):
        change.apply()
    assert len(stage.rows(stage.subscriber, spec, "t")) == 20


@pytest.mark.long
def test_what_the_subscribers_table_refuses_is_told_by_log_and_catalog(stage: Stage) -> None:
    spec = stage.replicated("refusing")
    stage.subscriber.execute(
        "ALTER TABLE t ALTER v SET NOT NULL; ALTER TABLE u DROP COLUMN v", database="refusing"
    )
    stage.publisher.execute("INSERT INTO t VALUES (60, NULL)", database="refusing")
    finding = stage.find(spec, "refused-row")
    assert "null value in column" in "\n".join(finding.evidence)
    schema = stage.find(spec, "schema-differs")
    assert "u: missing column v" in "\n".join(schema.evidence)
    compared = compare_schemas(stage.publisher, stage.subscriber, ["refusing"])
    assert [d.table for d in compared.differences if d.effect == "stops"] == ["u"]
    stage.subscriber.execute(
        "ALTER TABLE t ALTER v DROP NOT NULL; ALTER TABLE u ADD COLUMN v text", database="refusing"
    )
    assert stage.same(spec, "t")


def test_a_publisher_that_refuses_the_role_is_a_dead_connection(stage: Stage) -> None:
    spec = stage.replicated("refused")
    with stage.refusing_role(spec):
        finding = stage.find(spec, "dead-connection")
        assert "password authentication failed" in "\n".join(finding.evidence)
        assert "password=" not in str(finding)
    stage.publisher.execute("INSERT INTO t VALUES (61, 'back')", database="refused")
    assert stage.same(spec, "t")
    assert stage.diagnose(spec).kinds == frozenset()


def test_what_is_not_there_is_said(stage: Stage) -> None:
    stage.publisher.execute("CREATE DATABASE nowhere")
    spec = stage.spec("nowhere")
    assert stage.diagnose(spec).kinds == {"no-database"}
    stage.subscriber.execute("CREATE DATABASE nowhere")
    assert stage.diagnose(spec).kinds == {"no-subscription"}
    with pytest.raises(GateClosed, match="there is no subscription"):
        stage.remedy(spec, "enable")


@pytest.mark.parametrize(
    ("remedy", "database", "table", "words"),
    [
        ("reboot", "bad_input", "", "no such remedy"),
        ("enable", "elsewhere", "", "no such replicated database"),
        ("resync", "bad_input", "", "needs a table"),
        ("resync", "bad_input", "nothing", "has no table"),
    ],
)
def test_bad_input_is_named_before_anything_is_changed(
    stage: Stage, remedy: str, database: str, table: str, words: str
) -> None:
    spec = stage.existing("bad_input")
    with pytest.raises((ParameterError, GateClosed), match=words):
        stage.remedy(spec, remedy, table, database)


def test_a_run_that_only_plans_changes_nothing(stage: Stage) -> None:
    spec = stage.replicated("planned")
    planning = stage.planning()
    before = stage.rows(stage.subscriber, spec, "t")
    for remedy, table in (("recreate", ""), ("resync", "t"), ("workers", "")):
        change = planning.remedy(spec, remedy, table)
        assert "plan only" in str(change.apply()) or not change
    planning.close()
    assert stage.rows(stage.subscriber, spec, "t") == before
    assert stage.diagnose(spec).kinds == frozenset()
