"""Plan subscriptions: compared with the existing ones and altered; a new one gets its slot first.

The slot is created separately, with a deadline, since its creation waits for every open transaction; the
subscription then uses it (create_slot = false). A run that was interrupted between the two leaves the slot;
the next one asks whose it is before it uses it. No plan drops a subscription, except that for it, or removes
a publication from one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pgnb.core.checks import Checks
from pgnb.core.errors import GateClosed, PgnbError
from pgnb.core.parallel import map_parallel, run_all
from pgnb.core.plan import Change, Confirmation, Step
from pgnb.logical.names import temporary_publication_name
from pgnb.logical.options import sql_value, subscription_options
from pgnb.logical.passfile import passfile_path, passfile_step
from pgnb.logical.publication import Published, published_tables
from pgnb.logical.slots import create_slot, drop_slot, logical_slots, usable_slot
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.subscription import Subscription, read_subscriptions
from pgnb.logical.targets import all_target_checks, databases_of
from pgnb.postgres import Server, compose, identifier, join
from pgnb.postgres.slots import Slot
from pgnb.postgres.source import Source

_ONLY_WHEN_MADE = ("failover", "two_phase")
"""Options that can be altered only while disabled, or never; existing subscriptions keep them."""
SLOT_TIMEOUT = 60.0


@dataclass(frozen=True)
class _Plan:
    """One database: the subscription now, its slot, and the differences from what is desired."""

    spec: DatabaseSpec
    now: Subscription | None
    slot: Slot | None
    tables: tuple[Published, ...]
    alterations: tuple[tuple[str, Any], ...]
    """As text, and as SQL."""
    new_tables: tuple[Published, ...]
    """Published, and not yet in the subscription."""

    @property
    def changes(self) -> bool:
        return self.now is None or bool(self.alterations) or bool(self.new_tables)


@dataclass(frozen=True)
class _Desired:
    """What every subscription of the plan is to have."""

    publisher: Server
    subscriber: Server
    origin: Source
    options: Mapping[str, Any]
    copy_data: bool
    slot_timeout: float

    def connection(self, spec: DatabaseSpec) -> str:
        return self.origin.subscription(spec.database, passfile_path(self.subscriber))


def plan_subscriptions(
    publisher: Server,
    subscriber: Server,
    specs: Sequence[DatabaseSpec],
    origin: Source,
    *,
    copy_data: bool = True,
    options: Mapping[str, Any] | None = None,
    slot_timeout: float = SLOT_TIMEOUT,
) -> Change:
    """Plan a subscription for each database, to all its published tables.

    `copy_data`: copy the existing rows; False if the tables hold exactly those rows already. `options` as of
    CREATE SUBSCRIPTION, see `subscription_options`. `slot_timeout`: seconds for a slot. Raises ParameterError
    for an option, GateClosed for another subscriber's slot, and if a resync has not finished. An existing
    unused slot asks for `reuse_slots` with its name; for a copy it is created again. Applying checks first
    that the tables exist and, for a copy, are empty.
    """
    chosen = subscription_options(publisher, subscriber, options)
    desired = _Desired(publisher, subscriber, origin, chosen, copy_data, slot_timeout)
    there, slots = databases_of(subscriber), logical_slots(publisher)
    plans = map_parallel(lambda spec: _plan(desired, spec, there, slots), specs)
    changed = [plan for plan in plans if plan.changes]
    first = passfile_step(subscriber, origin)
    steps = [first] if first else []
    if changed:
        steps.append(
            Step(
                subscriber.name,
                "\n".join(_says(desired, p) for p in changed),
                lambda: _carry_out(desired, changed),
                journalled=True,
            )
        )
    made = [plan.spec for plan in changed if plan.now is None]
    left = [plan.slot for plan in changed if plan.now is None and plan.slot is not None]
    return Change(
        f"subscriptions on {subscriber.name}",
        subscriber.journal,
        "".join(f"{p.spec.database}: {p.now.summary if p.now else 'no subscription'}\n" for p in plans),
        "".join(_after(desired, p) for p in plans),
        steps,
        note=_note(plans),
        confirmations=_confirmations(left, copy_data),
        undo_text=f"drop {', '.join(s.subscription for s in made)} and their slots" if made else "",
        precheck=lambda: _checks(desired, changed),
        undo=lambda: plan_drop_subscriptions(publisher, subscriber, made),
    )


def _confirmations(left: Sequence[Slot], copy_data: bool) -> list[Confirmation]:
    """Return the confirmation for existing unused slots.

    They are of an interrupted run, or of a subscriber that is down. Without a copy, a slot that was never
    read marks the position from which changes are wanted, so it needs none.
    """
    doubtful = [slot for slot in left if copy_data or slot.total_txns]
    why = (
        "No subscriber uses these slots now. They may be left by an interrupted run, or belong to a"
        " subscriber that is down and would permanently lose its position."
    )
    names = ", ".join(slot.name for slot in doubtful)
    return [Confirmation("reuse_slots", names, why)] if doubtful else []


def _plan(desired: _Desired, spec: DatabaseSpec, there: frozenset[str], slots: dict[str, Slot]) -> _Plan:
    tables = published_tables(desired.publisher, spec.database, spec.publication)
    known = read_subscriptions(desired.subscriber, spec.database) if spec.database in there else {}
    now = known.get(spec.subscription)
    if now is None:
        return _Plan(spec, None, usable_slot(slots, spec), tables, (), tables)
    _refuse_unfinished(spec, now)
    rows = desired.subscriber.query(
        "logical/subscription_tables", {"subscription": spec.subscription}, database=spec.database
    )
    copied = {(row["schema"], row["table"]) for row in rows}
    new = tuple(table for table in tables if (table.schema, table.table) not in copied)
    return _Plan(spec, now, slots.get(now.slot or ""), tables, _alterations(desired, spec, now), new)


def _refuse_unfinished(spec: DatabaseSpec, now: Subscription) -> None:
    """Refuse an unfinished resync: with both publications the removed table would be added again."""
    if temporary_publication_name(spec.publication) in now.publications:
        raise GateClosed(
            f"{spec.database}: the resync of a table has not finished",
            found=now.summary,
            remedy="Finish it first: 12_09_logical_troubleshooting names the table (resync).",
        )


def _alterations(desired: _Desired, spec: DatabaseSpec, now: Subscription) -> tuple[tuple[str, Any], ...]:
    found: list[tuple[str, Any]] = []
    wanted = desired.connection(spec)
    if now.connection != wanted:
        found.append((f"CONNECTION '{wanted}'", compose("CONNECTION {}", wanted)))
    if spec.publication not in now.publications:
        found.append(
            (
                f"ADD PUBLICATION {spec.publication}",
                compose("ADD PUBLICATION {} WITH (refresh = false)", identifier(spec.publication)),
            )
        )
    differing = {
        option: value
        for option, value in desired.options.items()
        if option not in _ONLY_WHEN_MADE and _differs(now, option, value)
    }
    if differing:
        words = ", ".join(f"{option} = {sql_value(value)}" for option, value in differing.items())
        found.append((f"SET ({words})", compose("SET ({})", _pairs(differing))))
    return tuple(found)


def _differs(now: Subscription, option: str, value: Any) -> bool:
    found = getattr(now, option, None)
    return found is not None and sql_value(found) != sql_value(value)


def _pairs(options: Mapping[str, Any]) -> Any:
    """Return options as SQL; their names are those of `options.SINCE`, not the operator's text."""
    return join(", ", [compose(f"{option} = {{}}", sql_value(value)) for option, value in options.items()])


def _checks(desired: _Desired, changed: Sequence[_Plan]) -> Checks:
    # The publications may be newer than the plan, which a notebook shows before it applies them.
    wanted = [
        (
            plan.spec,
            plan.new_tables or published_tables(desired.publisher, plan.spec.database, plan.spec.publication),
        )
        for plan in changed
        if plan.now is None or plan.new_tables
    ]
    return all_target_checks(desired.subscriber, wanted, copy_data=desired.copy_data)


def _carry_out(desired: _Desired, changed: Sequence[_Plan]) -> str:
    run_all(lambda plan: _carry_out_one(desired, plan), changed, lambda plan: plan.spec.database)
    made = sum(plan.now is None for plan in changed)
    return f"{made} created, {len(changed) - made} altered"


def _carry_out_one(desired: _Desired, plan: _Plan) -> None:
    if plan.now is None:
        _create(desired, plan)
        return
    known = identifier(plan.now.name)
    for words, alteration in plan.alterations:
        desired.subscriber.execute(
            compose("ALTER SUBSCRIPTION {} {}", known, alteration),
            database=plan.spec.database,
            what=f"{plan.spec.database}: ALTER SUBSCRIPTION {plan.now.name} {words}",
        )
    if plan.new_tables:
        refresh(desired.subscriber, plan.spec, copy_data=desired.copy_data)


def refresh(subscriber: Server, spec: DatabaseSpec, *, copy_data: bool) -> None:
    """Add tables that its publication gained to a subscription; copy them first, if requested.

    It cannot run in a transaction. Raises QueryFailed if a table is missing on the subscriber.
    """
    subscriber.execute(
        compose(
            "ALTER SUBSCRIPTION {} REFRESH PUBLICATION WITH (copy_data = {})",
            identifier(spec.subscription),
            copy_data,
        ),
        database=spec.database,
    )


def _create(desired: _Desired, plan: _Plan) -> None:
    spec = plan.spec
    if plan.slot and desired.copy_data:
        # A slot that is older than its publication fails on every change from before that.
        drop_slot(desired.publisher, spec.slot)
    made_slot = plan.slot is None or desired.copy_data
    if made_slot:
        two_phase = sql_value(desired.options.get("two_phase", False)) == "true"
        failover = sql_value(desired.options.get("failover", False)) == "true"
        create_slot(
            desired.publisher, spec, two_phase=two_phase, failover=failover, timeout=desired.slot_timeout
        )
    options = {
        **desired.options,
        "create_slot": False,
        "slot_name": spec.slot,
        "copy_data": desired.copy_data,
    }
    statement = compose(
        "CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION {} WITH ({})",
        identifier(spec.subscription),
        desired.connection(spec),
        identifier(spec.publication),
        _pairs(options),
    )
    try:
        desired.subscriber.execute(statement, database=spec.database)
    except PgnbError:
        if made_slot:
            _give_back(desired, spec)
        raise


def _give_back(desired: _Desired, spec: DatabaseSpec) -> None:
    """Drop the slot that was just created, unless the subscription exists after all."""
    try:
        if spec.subscription not in read_subscriptions(desired.subscriber, spec.database):
            drop_slot(desired.publisher, spec.slot)
    except PgnbError:
        # The first error is reported; the next run finds and uses a slot that is left.
        return


def _says(desired: _Desired, plan: _Plan) -> str:
    spec = plan.spec
    if plan.now is None:
        how = "create again" if desired.copy_data else "use the existing"
        slot = f"{how if plan.slot else 'create'} slot {spec.slot}"
        copy = "copy the rows" if desired.copy_data else "copy nothing"
        return f"{spec.database}: {slot}, CREATE SUBSCRIPTION {spec.subscription}, {copy}"
    words = [f"ALTER SUBSCRIPTION {plan.now.name} {alteration}" for alteration, _ in plan.alterations]
    if plan.new_tables:
        tables = ", ".join(f"{t.schema}.{t.table}" for t in plan.new_tables)
        words.append(f"REFRESH PUBLICATION (new: {tables})")
    return f"{spec.database}: {'; '.join(words)}"


def _after(desired: _Desired, plan: _Plan) -> str:
    if not plan.changes and plan.now:
        return f"{plan.spec.database}: {plan.now.summary}\n"
    options = ", ".join(f"{option} = {sql_value(value)}" for option, value in desired.options.items())
    return (
        f"{plan.spec.database}: {plan.spec.subscription}, slot {plan.spec.slot}, of {plan.spec.publication},"
        f" {len(plan.tables)} tables; {options}\n"
    )


def _note(plans: Sequence[_Plan]) -> str:
    disabled = [plan.spec.database for plan in plans if plan.now and not plan.now.enabled]
    return f"Disabled, and left disabled (see 12.9): {', '.join(disabled)}." if disabled else ""


def plan_drop_subscriptions(publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec]) -> Change:
    """Plan to drop the specs' subscriptions and, through them, their slots on the publisher.

    The rows remain on the subscriber. Asks for `drop_subscriptions` with the names, separated by commas. For
    a dead publisher see 12.10.
    """
    there = databases_of(subscriber)
    found = map_parallel(
        lambda spec: (spec, read_subscriptions(subscriber, spec.database).get(spec.subscription)),
        [spec for spec in specs if spec.database in there],
    )
    existing = [(spec, now) for spec, now in found if now is not None]
    names = ", ".join(now.name for _, now in existing)
    title = f"drop subscriptions on {subscriber.name}"

    def run() -> str:
        run_all(lambda spec: _drop(subscriber, spec), [spec for spec, _ in existing], lambda s: s.database)
        return f"{len(existing)} dropped"

    steps = [Step(subscriber.name, f"DROP SUBSCRIPTION {names}", run, journalled=True)] if existing else []
    why = (
        f"What is written on {publisher.name} afterwards does not arrive; a new subscription copies"
        " everything again."
    )
    return Change(
        title,
        subscriber.journal,
        "".join(f"{s.database}: {now.summary}\n" for s, now in existing),
        "",
        steps,
        confirmations=[Confirmation("drop_subscriptions", names, why)] if existing else (),
    )


def _drop(subscriber: Server, spec: DatabaseSpec) -> None:
    subscriber.execute(
        compose("DROP SUBSCRIPTION IF EXISTS {}", identifier(spec.subscription)), database=spec.database
    )
