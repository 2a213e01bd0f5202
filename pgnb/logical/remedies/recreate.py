"""Recreate a subscription with a new slot and a new copy, after its slot was lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pgnb.core.checks import Check, Checks
from pgnb.core.plan import Change, Confirmation, Step
from pgnb.core.wait import wait_until
from pgnb.logical.publication import published_tables
from pgnb.logical.remedies.empty_tables import empty_step
from pgnb.logical.remedies.identity import arrival_check
from pgnb.logical.remedies.subscription import PARAMETER
from pgnb.logical.slots import drop_slot, logical_slots
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.subscription import Subscription, read_subscriptions
from pgnb.logical.subscriptions import plan_subscriptions
from pgnb.logical.targets import copy_checks, target_checks
from pgnb.postgres import Server, compose, identifier
from pgnb.postgres.source import Source

_KEPT = ("streaming", "binary", "synchronous_commit", "disable_on_error", "origin", "failover")
_FREED_WITHIN = 30.0


def plan_recreate(publisher: Server, subscriber: Server, spec: DatabaseSpec, origin: Source) -> Change:
    """Plan to drop the subscription, empty its tables, and subscribe again with a new slot.

    Asks for the subscription's name. Its options are kept. After an interrupted run it continues where that
    stopped. Applying checks first that the publication exists and that the subscriber has its tables.
    """
    now = read_subscriptions(subscriber, spec.database).get(spec.subscription)
    tables = [(t.schema, t.table) for t in published_tables(publisher, spec.database, spec.publication)]
    slots = dict.fromkeys(slot for slot in (now.slot if now else None, spec.slot) if slot)
    steps = [
        *(_drop_steps(subscriber, spec, now) if now else ()),
        *(_slot_step(publisher, slot) for slot in slots),
        empty_step(subscriber, spec.database, tables),
        _subscribe_step(publisher, subscriber, spec, origin, _options(now)),
    ]
    return Change(
        f"recreate {spec.subscription} in {spec.database}",
        subscriber.journal,
        f"{spec.subscription}: {now.summary if now else 'missing'}\n",
        f"{spec.subscription}: enabled, a new slot {spec.slot}, {len(tables)} tables copied again\n",
        steps,
        note="Until the copy has finished, the subscriber's tables are incomplete: clients that read"
        " there must wait.",
        confirmations=[
            Confirmation(
                PARAMETER,
                spec.subscription,
                f"{len(tables)} tables of {spec.database} are emptied and copied.",
            )
        ],
        precheck=lambda: _checks(publisher, subscriber, spec),
    )


def _options(now: Subscription | None) -> dict[str, Any]:
    """Return the options of the old subscription that CREATE SUBSCRIPTION takes again."""
    if now is None:
        return {}
    kept = {option: getattr(now, option) for option in _KEPT if getattr(now, option) is not None}
    return kept | ({"two_phase": now.two_phase != "d"} if now.two_phase is not None else {})


def _checks(publisher: Server, subscriber: Server, spec: DatabaseSpec) -> Checks:
    tables = published_tables(publisher, spec.database, spec.publication)
    what = f"publication {spec.publication} on {publisher.name}"
    there = Check(
        what,
        bool(tables),
        f"{len(tables)} tables",
        "1 or more",
        "12_00_logical_replication (section 12.4) creates the publication.",
    )
    return Checks.of(
        f"Before recreating {spec.subscription}",
        [
            there,
            arrival_check(publisher, subscriber, spec),
            *target_checks(subscriber, spec, tables, copy_data=False),
            *copy_checks(subscriber, spec.database, tables),
        ],
        subscriber.journal,
    )


def _drop_steps(subscriber: Server, spec: DatabaseSpec, now: Subscription) -> Sequence[Step]:
    """Return the steps that drop it without its slot.

    If the slot is missing, a DROP that contacts the publisher fails.
    """
    clauses = [*(("DISABLE",) if now.enabled else ()), *(("SET (slot_name = NONE)",) if now.slot else ())]
    steps = [_statement(subscriber, spec, f"ALTER SUBSCRIPTION {{}} {clause}") for clause in clauses]
    return [*steps, _statement(subscriber, spec, "DROP SUBSCRIPTION {}")]


def _statement(subscriber: Server, spec: DatabaseSpec, template: str) -> Step:
    what = f"{spec.database}: {template.format(spec.subscription)}"
    statement = compose(template, identifier(spec.subscription))
    return Step.sql(subscriber, what, statement, database=spec.database)


def _slot_step(publisher: Server, slot: str) -> Step:
    def run() -> str:
        found = wait_until(
            f"the slot {slot} to be free",
            lambda: logical_slots(publisher).get(slot),
            lambda now: now is None or not now.active,
            timeout=_FREED_WITHIN,
            describe=lambda now: now.summary if now else "not there",
            remedy="Another subscriber uses it: find it by its address, and stop it there.",
        )
        return drop_slot(publisher, slot) if found else "it did not exist any more"

    return Step(publisher.name, f"drop the slot {slot}, if it exists", run, journalled=True)


def _subscribe_step(
    publisher: Server, subscriber: Server, spec: DatabaseSpec, origin: Source, options: dict[str, Any]
) -> Step:
    def run() -> str:
        change = plan_subscriptions(publisher, subscriber, [spec], origin, options=options)
        return change.apply().outcome

    what = (
        f"{spec.database}: create the slot {spec.slot}, CREATE SUBSCRIPTION {spec.subscription}, copy the"
        " rows"
    )
    return Step(subscriber.name, what, run, journalled=True)
