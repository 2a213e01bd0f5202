"""Give the subscriber's tables the publisher's replica identity, by which an apply worker finds rows."""

from __future__ import annotations

from dataclasses import replace

from pgnb.core.checks import Check
from pgnb.core.plan import Change, Confirmation
from pgnb.logical.catalog import Named
from pgnb.logical.identity import plan_subscriber_identity
from pgnb.logical.publication import read_publications
from pgnb.logical.remedies.subscription import PARAMETER
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.updates import current_obstacles
from pgnb.postgres import Server


def plan_identity(publisher: Server, subscriber: Server, spec: DatabaseSpec) -> Change:
    """Plan to give the subscriber's tables the publisher's replica identity.

    Asks for the subscription's name. An apply worker that stopped for lack of a key then continues by itself.
    Nothing is changed on the publisher.
    """
    now = read_publications(publisher, spec.database).get(spec.publication)
    held = replace(spec, desired=now.holds, operations=now.operations, via_root=now.via_root) if now else spec
    change = plan_subscriber_identity(publisher, subscriber, [held])
    if change:
        why = "It takes the strongest lock on those tables of the subscriber for a short time."
        change.confirmations = [Confirmation(PARAMETER, spec.subscription, why)]
    return change


def arrival_check(
    publisher: Server, subscriber: Server, spec: DatabaseSpec, table: Named | None = None
) -> Check:
    """Check that UPDATE and DELETE can be applied, for every table or for that one.

    Otherwise a new copy would stop again at the first of them. Raises QueryFailed.
    """
    found = current_obstacles(publisher, subscriber, spec)
    only = f"{table[0]}.{table[1]}" if table else ""
    wrong = [
        f"{one.table}: {one.found}"
        for one in found
        if one.kind == "cannot-arrive" and only in ("", one.table)
    ]
    every = "for every table"
    return Check(
        "UPDATE and DELETE can be applied",
        not wrong,
        "; ".join(wrong) or every,
        every,
        "First give the subscriber's tables the publisher's replica identity (remedy = 'identity').",
    )
