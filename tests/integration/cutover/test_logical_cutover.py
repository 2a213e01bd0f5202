"""12.10 on real servers: planned while a client writes, without a publisher, interrupted, abandoned."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cutover_stage import DATABASES, PUBLISHER, SUBSCRIBER, Stage, carry_out, server_of

from pgnb.core.checks import verify
from pgnb.core.errors import ApiUnreachable, ChangeFailed, GateClosed, LeaseLost, ParameterError, QueryFailed
from pgnb.core.plan import gate
from pgnb.core.wait import wait_until
from pgnb.logical.cutover import (
    cutover_checks,
    cutover_postchecks,
    cutover_status,
    measure_cutover,
    plan_cutover,
    plan_reverse_replication,
    plot_cutover,
    resume_writes,
)
from pgnb.logical.cutover.steps import CutoverSteps
from pgnb.logical.orphaned_slots import orphaned_slots
from pgnb.logical.publication import read_publications
from pgnb.logical.sequences import read_sequences
from pgnb.logical.slots import create_slot, drop_slot, logical_slots
from pgnb.logical.write_block import write_status
from pgnb.postgres.services import switch

INSERTS = (
    "INSERT INTO orders (item) VALUES ('first')",
    "INSERT INTO heartbeat DEFAULT VALUES",
    "INSERT INTO empty DEFAULT VALUES",
    "INSERT INTO descending DEFAULT VALUES",
)


def _insert_everywhere(stage: Stage) -> None:
    """Insert once through each sequence: a duplicate key would raise QueryFailed."""
    for database in DATABASES:
        for statement in INSERTS:
            stage.subscriber.execute(statement, database=database)


@pytest.mark.long
def test_the_publisher_follows_where_reverse_replication_is_asked_for(stage: Stage) -> None:
    cut = stage.cut("cutover", reverse_service=SUBSCRIBER)
    carry_out(plan_reverse_replication(cut, ["10.0.0.0/8"]))
    gate(cutover_checks(cut))
    carry_out(plan_cutover(cut), allow_cutover=True)
    verify(cutover_postchecks(cut))
    _insert_everywhere(stage)
    for database in DATABASES:
        wait_until(
            f"{database}: the row on the former publisher",
            lambda database=database: stage.publisher.scalar(
                "SELECT count(*) FROM orders WHERE item = 'first'", database=database
            ),
            lambda found: found == 1,
            timeout=60,
        )
    again = stage.cut("cutover", reverse_service=SUBSCRIBER)
    assert not plan_cutover(again)
    assert not plan_reverse_replication(again, ["10.0.0.0/8"])


@pytest.mark.long
def test_a_run_that_was_killed_between_two_drops_goes_on(stage: Stage) -> None:
    cut = stage.cut("cutover")
    work = CutoverSteps(cut)
    for step in work.steps(cutover_status(cut))[:4]:
        step.run()
    stage.subscriber.execute('DROP SUBSCRIPTION "sub_Sales-2026"', database="Sales-2026")
    again = stage.cut("cutover")
    states = {state.spec.database: state for state in cutover_status(again).items}
    assert states["Sales-2026"].subscription is None
    assert states["shop"].subscription is not None
    assert all(state.blocked for state in states.values())
    gate(cutover_checks(again))
    with stage.publisher.new_session("shop") as pooled:
        pid = pooled.backend_pid
        carry_out(plan_cutover(again), allow_cutover=True)
        query = "SELECT 1 FROM pg_stat_activity WHERE pid = %s"
        assert not again.publisher.query(query, [pid]), "a read-only session stayed on the former publisher"
    verify(cutover_postchecks(again))
    _insert_everywhere(stage)


@pytest.mark.long
def test_a_run_that_was_killed_while_it_put_back_goes_on(stage: Stage) -> None:
    cut = stage.cut("cutover", reverse_service=SUBSCRIBER)
    carry_out(plan_reverse_replication(cut, ["10.0.0.0/8"]))
    create_slot(stage.subscriber, cut.specs[0], two_phase=False, failover=False, timeout=30)
    taken = [check.name for check in cutover_checks(cut).failed]
    assert taken == ["slots of reverse replication"]  # It may belong to someone else.
    drop_slot(stage.subscriber, cut.specs[0].slot)
    for step in CutoverSteps(cut).steps(cutover_status(cut))[:5]:
        step.run()
    create_slot(stage.subscriber, cut.specs[0], two_phase=False, failover=False, timeout=30)
    again = stage.cut("cutover", reverse_service=SUBSCRIBER)
    gate(cutover_checks(again))
    carry_out(plan_cutover(again), allow_cutover=True)
    verify(cutover_postchecks(again))
    wait_until(
        "the former publisher to follow",
        lambda: logical_slots(stage.subscriber).values(),
        lambda found: len(found) == len(DATABASES) and all(slot.active for slot in found),
        timeout=60,
    )


def test_rows_that_differ_put_everything_back(kept: Stage) -> None:
    kept.subscriber.execute(
        "INSERT INTO orders (id, item) OVERRIDING SYSTEM VALUE VALUES (9999, 'stray')", database="shop"
    )
    cut = kept.cut("cutover")
    with pytest.raises(ChangeFailed, match="1 tables differ") as failure:
        carry_out(plan_cutover(cut), allow_cutover=True)
    assert "public.orders: 480 and 481" in failure.value.found
    assert not any(one.blocked for one in write_status(kept.publisher).values())
    kept.publisher.close_sessions()  # The earlier sessions were ended, like a client's.
    kept.publisher.execute("INSERT INTO orders (item) VALUES ('goes on')", database="shop")
    assert not cutover_status(cut).leads
    kept.subscriber.execute("DELETE FROM orders WHERE id = 9999", database="shop")


@pytest.mark.long
@pytest.mark.parametrize("unread", [False, True])
def test_writes_stay_blocked_where_another_run_has_switched_the_clients(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, unread: bool
) -> None:
    """With two runs side by side, the first one's failure must not allow writes on the old publisher."""
    first, second = stage.cut("cutover"), stage.cut("cutover")
    steps = CutoverSteps(first).steps(cutover_status(first))
    steps[0].run()
    stage.subscriber.execute(
        "INSERT INTO orders (id, item) OVERRIDING SYSTEM VALUE VALUES (9999, 'there')", database="shop"
    )
    if unread:
        monkeypatch.setattr(resume_writes, "read_service", _away)
    else:
        switch(second)
    with pytest.raises(ChangeFailed, match="1 tables differ") as failure:
        steps[2].run()
    said = "not read: the API server" if unread else f"the Service {PUBLISHER} leads to the subscriber"
    assert f"Writes were not allowed again: {said}" in failure.value.remedy
    assert "run this again (operation = cutover)" in failure.value.remedy
    assert all(write_status(stage.publisher)[database].blocked for database in DATABASES)
    if unread:
        monkeypatch.undo()
        switch(second)
    abandoned = plan_cutover(stage.cut("abandon"))
    assert not abandoned
    assert all(write_status(stage.publisher)[database].blocked for database in DATABASES)


@pytest.mark.long
def test_writes_stay_blocked_where_the_lease_was_lost(stage: Stage) -> None:
    """The new holder may have switched the clients, or is about to."""
    cut = stage.cut("cutover")
    CutoverSteps(cut).steps(cutover_status(cut))[0].run()

    def lost() -> None:
        raise LeaseLost("the Lease is somebody else's", found="held by another")

    cut.cluster.journal.guards.append(lost)
    assert resume_writes.restore_writes(cut).startswith(
        "Writes were not allowed again: the Lease is somebody else's (held by another)"
    )
    cut.cluster.journal.guards.remove(lost)
    assert all(write_status(stage.publisher)[database].blocked for database in DATABASES)
    assert "Writes were not allowed again" not in resume_writes.restore_writes(cut)
    assert not any(write_status(stage.publisher)[database].blocked for database in DATABASES)


def _away(*_arguments: object, **_named: object) -> object:
    raise ApiUnreachable("the API server does not answer")


@pytest.mark.long
def test_a_database_that_is_too_large_to_count_is_handed_over_uncounted(stage: Stage) -> None:
    stage.subscriber.execute(
        "INSERT INTO orders (id, item) OVERRIDING SYSTEM VALUE VALUES (9999, 'stray')", database="shop"
    )
    with pytest.raises(ParameterError, match="do not take part: nowhere"):
        stage.cut("cutover", skip_row_count=["nowhere"])
    cut = stage.cut("cutover", skip_row_count=["shop"])
    done = carry_out(plan_cutover(cut), allow_cutover=True)
    assert "not counted (skip_row_count): shop" in str(done)
    assert set(cut.progress.row_counts) == set(DATABASES) - {"shop"}
    verify(cutover_postchecks(cut))


def test_nothing_happens_without_its_confirmation_or_in_a_run_that_plans(kept: Stage) -> None:
    with pytest.raises(GateClosed, match="not confirmed"):
        plan_cutover(kept.cut("cutover")).apply()
    with pytest.raises(GateClosed, match="the publisher is dead"):
        carry_out(plan_cutover(kept.cut("failover")), allow_cutover=True, accept_loss=True)
    planning = kept.planning()
    only = plan_cutover(planning.cut("cutover"))
    assert only
    assert only.apply().outcome == "plan only: nothing was changed"
    planning.subscriber.close()
    planning.cluster.close()
    assert not any(one.blocked for one in write_status(kept.publisher).values())
    assert len(logical_slots(kept.publisher)) == len(DATABASES)


def test_a_planned_one_that_was_killed_can_be_abandoned(kept: Stage) -> None:
    cut = kept.cut("cutover")
    CutoverSteps(cut).steps(cutover_status(cut))[0].run()
    back = kept.cut("abandon")
    carry_out(plan_cutover(back), allow_cutover=True)
    verify(cutover_postchecks(back))
    kept.publisher.close_sessions()  # The earlier sessions were ended, like a client's.
    kept.publisher.execute("INSERT INTO empty DEFAULT VALUES", database="shop")
    assert not plan_cutover(kept.cut("abandon"))


def test_a_role_that_bypasses_the_write_block_is_named_before_anything_is_blocked(kept: Stage) -> None:
    kept.publisher.execute("ALTER ROLE postgres SET default_transaction_read_only = off")
    checks = cutover_checks(kept.cut("cutover"))
    assert "postgres" in str([check.found for check in checks.failed])
    assert len(checks.failed) == len(DATABASES)
    kept.publisher.execute("ALTER ROLE postgres RESET default_transaction_read_only")


def test_the_first_error_is_told_although_putting_back_cannot_read_the_subscriber(
    kept: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = kept.cut("cutover")
    work = CutoverSteps(cut)
    work.steps(cutover_status(cut))[0].run()
    monkeypatch.setattr(resume_writes, "read_subscriptions", _away)

    def fails() -> str:
        raise QueryFailed("the first error", found="what it found")

    with pytest.raises(ChangeFailed, match="the first error") as failure:
        work._guarded(fails)
    assert isinstance(failure.value.__cause__, QueryFailed)
    assert failure.value.found == "what it found"
    assert "Writes were not allowed again: not read: the API server does not answer" in failure.value.remedy
    assert all(write_status(kept.publisher)[database].blocked for database in DATABASES)
    monkeypatch.undo()
    carry_out(plan_cutover(kept.cut("abandon")), allow_cutover=True)


def test_a_planned_cut_over_loses_no_row_and_meets_no_duplicate_key(kept: Stage) -> None:
    """The last test of this pair: afterwards its publisher is none any more."""
    client = kept.start_client()
    cut = kept.cut("cutover")
    assert tuple(sorted(cut.specs.databases)) == tuple(sorted(DATABASES))
    gate(cutover_checks(cut))
    password, change = f"secret:{PUBLISHER}/password", plan_cutover(cut)
    with measure_cutover(cut, password, f"secret:{SUBSCRIBER}/password", when=change) as service:
        carry_out(change, allow_cutover=True)
    ended = datetime.now(UTC)
    verify(service.checks(longest=60))
    assert service.write_log is not None
    assert service.write_log.longest.seconds > 0
    assert [phase.what for phase in cut.phase.entries][-1] == "Service switched"
    assert "without writes (measured by a client)" in plot_cutover(cut, service).finding
    databases = [row["name"] for one in (kept.publisher, kept.subscriber) for row in one.query("databases")]
    assert "pgnb_cutover" not in databases
    seen = wait_until("the client's next rows", client.report, lambda now: now.times[-1] > ended, timeout=60)
    verify(cutover_postchecks(cut))
    client.stop()
    assert seen.acknowledged > 20
    assert not client.check_durability(kept.subscriber, seen).missing
    assert not seen.duplicates, seen.summary
    assert not logical_slots(kept.publisher)
    there = read_sequences(kept.subscriber, "Sales-2026")
    here = read_sequences(kept.publisher, "Sales-2026")
    assert {key: (one.last_value, one.is_called) for key, one in there.items()} == {
        key: (one.last_value, one.is_called) for key, one in here.items()
    }
    assert here["public", "orders_id_seq"].last_value == 500
    _insert_everywhere(kept)
    kept.publisher.close_sessions()  # The earlier sessions were ended, like a client's.
    with pytest.raises(QueryFailed, match="read-only"):
        kept.publisher.execute("INSERT INTO empty DEFAULT VALUES", database="shop")
    again = kept.cut("cutover")
    assert not plan_cutover(again)
    assert cutover_postchecks(again).ok


@pytest.mark.long
def test_a_dead_publisher_is_left_its_slots_noted_and_cleaned_when_it_is_back(stage: Stage) -> None:
    stage.publisher.execute("SELECT setval('orders_id_seq', 5000)", database="shop")
    stage.subscriber.execute("CREATE TABLE keyless (i int); INSERT INTO keyless VALUES (1)", database="shop")
    stage.kill_publisher()
    cut = stage.cut("failover", margin=1000)
    assert cut.why_absent
    gate(cutover_checks(cut))
    change = plan_cutover(cut)
    with pytest.raises(GateClosed, match="accept_loss"):
        gate(change, allow_cutover=True)
    carry_out(change, allow_cutover=True, accept_loss=True)
    verify(cutover_postchecks(cut))
    there = read_sequences(stage.subscriber, "shop")
    assert there["public", "orders_id_seq"].last_value == 1480
    assert there["public", "empty_id_seq"].last_value == 1000
    assert there["public", "Down's"].last_value == 1000 - 19 * 5 - 1000 * 5
    _insert_everywhere(stage)
    assert {one.database for one in orphaned_slots(stage.subscriber)} == set(DATABASES)
    made = {one: set(read_publications(stage.subscriber, one)) for one in DATABASES}
    assert {one for one, names in made.items() if names} == set(DATABASES) - {"shop"}
    told = [check.found for check in cutover_postchecks(cut) if check.name.startswith("shop: UPDATE")]
    assert told == ["public.keyless: no replica identity"]
    stage.subscriber.execute("UPDATE keyless SET i = 2", database="shop")
    assert not plan_cutover(stage.cut("failover", margin=1000))
    _clean_when_back(stage)


def _clean_when_back(stage: Stage) -> None:
    stage.scale_publisher(1)
    wait_until(
        "the publisher is back",
        lambda: stage.cluster.pods(f"app={PUBLISHER}"),
        lambda pods: bool(pods) and pods[0].ready,
        timeout=60,
    )
    publisher = server_of(stage.cluster, PUBLISHER)
    assert len(logical_slots(publisher)) == len(DATABASES)
    cut = stage.cut("clean")
    change = plan_cutover(cut)
    gate(change, drop_slots=change.confirmations[0].value)
    change.apply()
    verify(cutover_postchecks(cut))
    assert not logical_slots(publisher)
    assert not plan_cutover(stage.cut("clean"))
    publisher.close()
