"""12.10 on real servers: planned while a client writes, without a publisher, killed halfway, abandoned."""

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
    cutover_done,
    cutover_status,
    measure_cutover,
    plan_cutover,
    plan_way_back,
    plot_cutover,
    unblocking,
)
from pgnb.logical.cutover.planned import Handover
from pgnb.logical.leftslots import left_slots
from pgnb.logical.publication import read_publications
from pgnb.logical.quiet import read_silence
from pgnb.logical.sequences import read_sequences
from pgnb.logical.slots import create_slot, drop_slot, logical_slots
from pgnb.postgres.services import switch

INSERTS = (
    "INSERT INTO orders (item) VALUES ('first')",
    "INSERT INTO heartbeat DEFAULT VALUES",
    "INSERT INTO empty DEFAULT VALUES",
    "INSERT INTO descending DEFAULT VALUES",
)


def _insert_everywhere(stage: Stage) -> None:
    """The first insert through each sequence: a duplicate key would raise QueryFailed."""
    for database in DATABASES:
        for statement in INSERTS:
            stage.subscriber.execute(statement, database=database)


@pytest.mark.long
def test_the_publisher_follows_where_a_way_back_is_asked_for(stage: Stage) -> None:
    cut = stage.cut("cutover", reverse_service=SUBSCRIBER)
    carry_out(plan_way_back(cut, ["10.0.0.0/8"]))
    gate(cutover_checks(cut))
    carry_out(plan_cutover(cut), allow_cutover=True)
    verify(cutover_done(cut))
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
    assert not plan_way_back(again, ["10.0.0.0/8"])


@pytest.mark.long
def test_a_run_that_was_killed_between_two_drops_goes_on(stage: Stage) -> None:
    cut = stage.cut("cutover")
    work = Handover(cut)
    for step in work.steps(cutover_status(cut))[:4]:
        step.run()
    stage.subscriber.execute('DROP SUBSCRIPTION "sub_Sales-2026"', database="Sales-2026")
    again = stage.cut("cutover")
    states = {state.spec.database: state for state in cutover_status(again).items}
    assert states["Sales-2026"].standing is None
    assert states["shop"].standing is not None
    assert all(state.stopped for state in states.values())
    gate(cutover_checks(again))
    with stage.publisher.new_session("shop") as pooled:
        pid = pooled.backend_pid
        carry_out(plan_cutover(again), allow_cutover=True)
        query = "SELECT 1 FROM pg_stat_activity WHERE pid = %s"
        assert not again.publisher.query(query, [pid]), "a read-only session stayed on the former publisher"
    verify(cutover_done(again))
    _insert_everywhere(stage)


@pytest.mark.long
def test_a_run_that_was_killed_on_the_way_back_goes_on(stage: Stage) -> None:
    cut = stage.cut("cutover", reverse_service=SUBSCRIBER)
    carry_out(plan_way_back(cut, ["10.0.0.0/8"]))
    create_slot(stage.subscriber, cut.specs[0], two_phase=False, failover=False, timeout=30)
    taken = [check.name for check in cutover_checks(cut).failed]
    assert taken == ["slots of the way back"]  # Somebody else's, as far as one can see.
    drop_slot(stage.subscriber, cut.specs[0].slot)
    for step in Handover(cut).steps(cutover_status(cut))[:5]:
        step.run()
    create_slot(stage.subscriber, cut.specs[0], two_phase=False, failover=False, timeout=30)
    again = stage.cut("cutover", reverse_service=SUBSCRIBER)
    gate(cutover_checks(again))
    carry_out(plan_cutover(again), allow_cutover=True)
    verify(cutover_done(again))
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
    assert not any(one.stopped for one in read_silence(kept.publisher).values())
    kept.publisher.close_sessions()  # Those of before were ended, as a client's.
    kept.publisher.execute("INSERT INTO orders (item) VALUES ('goes on')", database="shop")
    assert not cutover_status(cut).leads
    kept.subscriber.execute("DELETE FROM orders WHERE id = 9999", database="shop")


@pytest.mark.long
@pytest.mark.parametrize("unread", [False, True])
def test_writes_stay_stopped_where_another_run_has_led_the_clients_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, unread: bool
) -> None:
    """Two runs side by side: the first one's failure must not open the server that clients were led from."""
    first, second = stage.cut("cutover"), stage.cut("cutover")
    steps = Handover(first).steps(cutover_status(first))
    steps[0].run()
    stage.subscriber.execute(
        "INSERT INTO orders (id, item) OVERRIDING SYSTEM VALUE VALUES (9999, 'there')", database="shop"
    )
    if unread:
        monkeypatch.setattr(unblocking, "read_service", _away)
    else:
        switch(second)
    with pytest.raises(ChangeFailed, match="1 tables differ") as failure:
        steps[2].run()
    said = "not read: the API server" if unread else f"the Service {PUBLISHER} leads to the subscriber"
    assert f"Not put back: {said}" in failure.value.remedy
    assert "run this again (path = cutover)" in failure.value.remedy
    assert all(read_silence(stage.publisher)[database].stopped for database in DATABASES)
    if unread:
        monkeypatch.undo()
        switch(second)
    abandoned = plan_cutover(stage.cut("abandon"))
    assert not abandoned
    assert all(read_silence(stage.publisher)[database].stopped for database in DATABASES)


@pytest.mark.long
def test_writes_stay_stopped_where_the_lease_was_lost(stage: Stage) -> None:
    """Whoever has it now may have led the clients on, or is about to."""
    cut = stage.cut("cutover")
    Handover(cut).steps(cutover_status(cut))[0].run()

    def lost() -> None:
        raise LeaseLost("the Lease is somebody else's", found="held by another")

    cut.cluster.journal.guards.append(lost)
    assert unblocking.put_back(cut).startswith("Not put back: the Lease is somebody else's (held by another)")
    cut.cluster.journal.guards.remove(lost)
    assert all(read_silence(stage.publisher)[database].stopped for database in DATABASES)
    assert "Not put back" not in unblocking.put_back(cut)
    assert not any(read_silence(stage.publisher)[database].stopped for database in DATABASES)


def _away(*_arguments: object, **_named: object) -> object:
    raise ApiUnreachable("the API server does not answer")


@pytest.mark.long
def test_a_database_that_is_too_large_to_count_is_handed_over_uncounted(stage: Stage) -> None:
    stage.subscriber.execute(
        "INSERT INTO orders (id, item) OVERRIDING SYSTEM VALUE VALUES (9999, 'stray')", database="shop"
    )
    with pytest.raises(ParameterError, match="not handed over: nowhere"):
        stage.cut("cutover", uncounted=["nowhere"])
    cut = stage.cut("cutover", uncounted=["shop"])
    done = carry_out(plan_cutover(cut), allow_cutover=True)
    assert "not counted, as asked: shop" in str(done)
    assert set(cut.counted) == set(DATABASES) - {"shop"}
    verify(cutover_done(cut))


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
    assert not any(one.stopped for one in read_silence(kept.publisher).values())
    assert len(logical_slots(kept.publisher)) == len(DATABASES)


def test_a_planned_one_that_was_killed_can_be_abandoned(kept: Stage) -> None:
    cut = kept.cut("cutover")
    Handover(cut).steps(cutover_status(cut))[0].run()
    back = kept.cut("abandon")
    carry_out(plan_cutover(back), allow_cutover=True)
    verify(cutover_done(back))
    kept.publisher.close_sessions()  # Those of before were ended, as a client's.
    kept.publisher.execute("INSERT INTO empty DEFAULT VALUES", database="shop")
    assert not plan_cutover(kept.cut("abandon"))


def test_a_role_that_escapes_the_stop_is_named_before_anything_is_stopped(kept: Stage) -> None:
    kept.publisher.execute("ALTER ROLE postgres SET default_transaction_read_only = off")
    checks = cutover_checks(kept.cut("cutover"))
    assert "postgres" in str([check.found for check in checks.failed])
    assert len(checks.failed) == len(DATABASES)
    kept.publisher.execute("ALTER ROLE postgres RESET default_transaction_read_only")


def test_the_first_error_is_told_although_putting_back_cannot_read_the_subscriber(
    kept: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = kept.cut("cutover")
    work = Handover(cut)
    work.steps(cutover_status(cut))[0].run()
    monkeypatch.setattr(unblocking, "read_subscriptions", _away)

    def fails() -> str:
        raise QueryFailed("the first error", found="what it found")

    with pytest.raises(ChangeFailed, match="the first error") as failure:
        work._guarded(fails)
    assert isinstance(failure.value.__cause__, QueryFailed)
    assert failure.value.found == "what it found"
    assert "Not put back: not read: the API server does not answer" in failure.value.remedy
    assert all(read_silence(kept.publisher)[database].stopped for database in DATABASES)
    monkeypatch.undo()
    carry_out(plan_cutover(kept.cut("abandon")), allow_cutover=True)


def test_a_planned_cut_over_loses_no_row_and_meets_no_duplicate_key(kept: Stage) -> None:
    """The last one that finds the publisher a publisher."""
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
    assert [phase.what for phase in cut.phases][-1] == "Service switched"
    assert "without writes (measured by a client)" in plot_cutover(cut, service).finding
    databases = [row["name"] for one in (kept.publisher, kept.subscriber) for row in one.query("databases")]
    assert "pgnb_cutover" not in databases
    seen = wait_until("the client's next rows", client.report, lambda now: now.times[-1] > ended, timeout=60)
    verify(cutover_done(cut))
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
    kept.publisher.close_sessions()  # Those of before were ended, as a client's.
    with pytest.raises(QueryFailed, match="read-only"):
        kept.publisher.execute("INSERT INTO empty DEFAULT VALUES", database="shop")
    again = kept.cut("cutover")
    assert not plan_cutover(again)
    assert cutover_done(again).ok


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
    verify(cutover_done(cut))
    there = read_sequences(stage.subscriber, "shop")
    assert there["public", "orders_id_seq"].last_value == 1480
    assert there["public", "empty_id_seq"].last_value == 1000
    assert there["public", "Down's"].last_value == 1000 - 19 * 5 - 1000 * 5
    _insert_everywhere(stage)
    assert {one.database for one in left_slots(stage.subscriber)} == set(DATABASES)
    made = {one: set(read_publications(stage.subscriber, one)) for one in DATABASES}
    assert {one for one, names in made.items() if names} == set(DATABASES) - {"shop"}
    told = [check.found for check in cutover_done(cut) if check.name.startswith("shop: UPDATE")]
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
    verify(cutover_done(cut))
    assert not logical_slots(publisher)
    assert not plan_cutover(stage.cut("clean"))
    publisher.close()
