"""Reverse replication: the publisher follows the subscriber after the cut-over, from its first write on."""

from __future__ import annotations

from collections.abc import Sequence

from pgnb.core.plan import Change, Step
from pgnb.logical.cutover.participants import Cutover
from pgnb.logical.identity import plan_subscriber_identity
from pgnb.logical.publications import plan_publications
from pgnb.logical.roles import plan_reader, subscription_rules
from pgnb.logical.slots import drop_slot, logical_slots
from pgnb.logical.subscription import read_subscriptions
from pgnb.logical.subscriptions import plan_subscriptions
from pgnb.postgres.config.hba import plan_hba
from pgnb.postgres.roles import plan_role
from pgnb.postgres.source import replication_source

_ORIGIN_SINCE = 16
WRITE_ANYWAY = "SET default_transaction_read_only = off"


def reverse_replication_settings(cut: Cutover) -> dict[str, str]:
    """Return the settings that the subscriber needs for reverse replication; empty without it."""
    return {"wal_level": "logical"} if cut.reverse.service else {}


def plan_reverse_replication(cut: Cutover, networks: Sequence[str]) -> Change:
    """Plan the access of the replication role to the subscriber: role, read rights, pg_hba.conf.

    Empty without reverse replication. It also needs wal_level = logical there, which the checks examine.
    """
    title, target = f"reverse replication on {cut.subscriber.name}", cut.subscriber
    if not cut.reverse.service:
        return Change(
            title,
            cut.cluster.journal,
            note="Reverse replication is not requested (reverse_service is empty).",
        )
    role = cut.reverse.role
    rules = subscription_rules(role, networks, tls=target.facts.ssl)
    parts = [
        plan_role(target, role, cut.reverse.secret),
        plan_reader(target, role),
        plan_hba(target, rules),
        plan_subscriber_identity(cut.publisher, target, cut.specs),
    ]
    steps = [
        Step(target.name, part.title, lambda part=part: part.apply().outcome, True)  # type: ignore[misc]
        for part in parts
        if part
    ]
    before, after = ("".join(getattr(part, side) for part in parts if part) for side in ("before", "after"))
    return Change(title, cut.cluster.journal, before, after, steps)


def follow(cut: Cutover) -> str:
    """Create publications and slots on the subscriber, and subscriptions without a copy on the publisher.

    Both servers hold the same rows at this point, and no client writes. `origin = none` (since 16) keeps rows
    that came from the publisher from returning to it.
    """
    new, old, back = cut.subscriber, cut.publisher, cut.reverse
    origin = replication_source(new, role=back.role, secret=back.secret, service=back.service, tls=back.tls)
    modern = min(new.facts.major, old.facts.major) >= _ORIGIN_SINCE
    for spec in cut.specs:
        old.session(spec.database).execute(WRITE_ANYWAY)
    _drop_unfinished(cut)
    plan_publications(new, cut.specs).apply()
    options = {"origin": "none"} if modern else {}
    change = plan_subscriptions(new, old, cut.specs, origin, copy_data=False, options=options)
    result = change.apply().outcome
    old.close_sessions()
    return result


def _drop_unfinished(cut: Cutover) -> None:
    """Drop slots that an interrupted run left: nothing was written since, and no subscription uses them."""
    there = logical_slots(cut.subscriber)
    for spec in cut.specs:
        slot = there.get(spec.slot)
        reverse_subscription = spec.subscription in read_subscriptions(cut.publisher, spec.database)
        if slot is not None and not slot.active and not reverse_subscription:
            drop_slot(cut.subscriber, spec.slot)
