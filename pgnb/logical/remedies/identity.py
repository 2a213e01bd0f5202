"""The publisher's replica identity for the subscriber's tables: what an apply needs to find rows by."""

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
    """Give the subscriber's tables the publisher's replica identity; asks for the subscription's name.

    An apply that stopped for want of a key goes on by itself. Nothing is changed on the publisher.
    """
    now = read_publications(publisher, spec.database).get(spec.publication)
    held = replace(spec, desired=now.holds, operations=now.operations, via_root=now.via_root) if now else spec
    change = plan_subscriber_identity(publisher, subscriber, [held])
    if change:
        why = "It takes the strongest lock on those tables of the subscriber for a moment."
        change.confirmations = [Confirmation(PARAMETER, spec.subscription, why)]
    return change


def arrival_check(
    publisher: Server, subscriber: Server, spec: DatabaseSpec, table: Named | None = None
) -> Check:
    """A check that UPDATE and DELETE can be applied, of every table or of that one.

    A new copy alone would stop at the first of them again. Raises QueryFailed.
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
        "Give the subscriber's tables the publisher's replica identity first (remedy = 'identity').",
    )
