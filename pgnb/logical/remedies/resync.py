"""Resynchronise one table: its rows are copied again while all other tables continue.

Only documented commands are used, and the publication is not altered. A table whose copy never finished is
emptied, so that its worker, which retries by itself, succeeds. A table that is ready is removed from the
subscription by a temporary publication of all others, emptied, and added again with a copy.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgnb.core.checks import Check, Checks
from pgnb.core.errors import GateClosed
from pgnb.core.plan import Change, Confirmation, Step
from pgnb.core.wait import wait_until
from pgnb.logical.arrival import wait_applied
from pgnb.logical.catalog import Named
from pgnb.logical.names import temporary_publication_name
from pgnb.logical.publication import published_tables, read_publications
from pgnb.logical.publication_spec import PublicationSpec, PublishedTable
from pgnb.logical.publications import publication_objects
from pgnb.logical.remedies.empty_tables import empty_step, empty_tables
from pgnb.logical.remedies.identity import arrival_check
from pgnb.logical.remedies.subscription import PARAMETER, apply_of, require_subscription
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.subscription import Subscription
from pgnb.logical.targets import copy_checks
from pgnb.postgres import Server, compose, identifier, join

_CONFIRMED_WITHIN = 120.0
_RESTARTED_WITHIN = 60.0
_COPIED_WITHIN = 3600.0
_COPYING = ("i", "d")


@dataclass(frozen=True)
class _Resync:
    """One table of one subscription, and the temporary publication of the others."""

    publisher: Server
    subscriber: Server
    spec: DatabaseSpec
    table: Named
    now: Subscription
    state: str | None

    @property
    def summary(self) -> str:
        return f"{self.table[0]}.{self.table[1]}"

    @property
    def temporary_publication(self) -> str:
        """The name of the publication of the other tables."""
        return temporary_publication_name(self.spec.publication)

    @property
    def begun(self) -> bool:
        """Whether an earlier run has already removed the table."""
        return self.temporary_publication in self.now.publications


def plan_resync(publisher: Server, subscriber: Server, spec: DatabaseSpec, table: Named) -> Change:
    """Plan to copy one table again; asks for its name, as `schema.table`.

    After an interrupted run it continues where that stopped; another table waits until then. Raises
    GateClosed for a table that the subscription does not know, and for a disabled subscription.
    """
    work = _look(publisher, subscriber, spec, table)
    steps = _empty_again(work) if work.state in _COPYING else _exchange(work)
    steps.append(
        Step(subscriber.name, f"{spec.database}: wait until {work.summary} is ready", lambda: _wait(work))
    )
    return Change(
        f"resynchronise {work.summary} in {spec.database}",
        subscriber.journal,
        f"{work.summary}: {_STATES.get(work.state or '', work.state)}\n",
        f"{work.summary}: emptied and copied again\n",
        steps,
        note="Until the copy has finished, the table is incomplete on the subscriber. All its rows there"
        " are removed, including those that only the subscriber has.",
        confirmations=[
            Confirmation(PARAMETER, work.summary, "Every row of it on the subscriber is removed.")
        ],
        precheck=lambda: _checks(work),
    )


_STATES = {
    "": "removed from the subscription",
    "r": "ready",
    "i": "waits for its initial copy",
    "d": "its copy fails",
}


def _look(publisher: Server, subscriber: Server, spec: DatabaseSpec, table: Named) -> _Resync:
    now = require_subscription(subscriber, spec)
    rows = subscriber.query(
        "logical/subscription_tables", {"subscription": spec.subscription}, database=spec.database
    )
    state = next((row["state"] for row in rows if (row["schema"], row["table"]) == table), None)
    work = _Resync(publisher, subscriber, spec, table, now, state)
    if state is None and not work.begun:
        known = ", ".join(f"{row['schema']}.{row['table']}" for row in rows[:20])
        raise GateClosed(
            f"{spec.database}: the subscription {now.name} has no table {work.summary}",
            found=f"it has {known or 'none'}",
            remedy="12.7 adds a table that it does not know yet.",
        )
    if state is not None and work.begun:
        raise GateClosed(
            f"{spec.database}: the resync of another table has not finished",
            found=f"{now.name} reads {work.temporary_publication} instead of {spec.publication}",
            remedy="The findings name that table: finish it first (remedy = 'resync').",
        )
    if not now.enabled:
        raise GateClosed(
            f"{spec.database}: {now.name} is disabled, so nothing can be copied",
            found=now.summary,
            remedy="Correct what disabled it and enable it first (remedy = 'enable').",
        )
    return work


def _checks(work: _Resync) -> Checks:
    """Check immediately before that the apply worker runs, so that its changes can be waited for."""
    apply = apply_of(work.subscriber, work.spec)
    runs = apply is not None and apply.pid is not None
    others = _others(work) if not work.begun else PublicationSpec()
    items = [
        Check(
            f"{work.now.name} has an apply worker",
            runs or work.state in _COPYING,
            "runs" if runs else "none",
            "runs",
            "Correct the apply worker's error first: run this notebook again for its findings.",
        ),
        Check(
            f"{work.summary} is published",
            others is not None,
            "yes" if others else "no",
            "yes",
            "Publish it first (section 12.7).",
        ),
    ]
    published = published_tables(work.publisher, work.spec.database, work.spec.publication)
    own = [found for found in published if (found.schema, found.table) == work.table]
    items.append(arrival_check(work.publisher, work.subscriber, work.spec, work.table))
    items += copy_checks(work.subscriber, work.spec.database, own)
    return Checks.of(f"Before resynchronising {work.summary}", items, work.subscriber.journal)


def _empty_again(work: _Resync) -> list[Step]:
    """Return the steps for a table whose initial copy is being retried.

    They also drop a temporary publication that an interrupted run left.
    """
    steps = [empty_step(work.subscriber, work.spec.database, [work.table])]
    left = work.temporary_publication in read_publications(work.publisher, work.spec.database)
    return [*steps, *((_drop_step(work),) if left else ())]


def _exchange(work: _Resync) -> list[Step]:
    """Return the steps for a table that is ready: remove, empty, add again."""
    database, publication = work.spec.database, work.spec.publication
    here, there = work.subscriber.name, work.publisher.name
    return [
        Step(
            there,
            f"{database}: CREATE PUBLICATION {work.temporary_publication} of every table but {work.summary}",
            lambda: _create_temporary_publication(work),
            journalled=True,
        ),
        Step(here, f"{database}: wait until the apply worker has passed its creation", lambda: _pass(work)),
        Step(
            here,
            f"{database}: remove the table: SET PUBLICATION {work.temporary_publication}",
            lambda: _subscribe(work, work.temporary_publication, copy_data=False),
            journalled=True,
        ),
        Step(
            here,
            f"{database}: remove every row of {work.summary}",
            lambda: empty_tables(work.subscriber, database, [work.table]),
        ),
        Step(
            here,
            f"{database}: add it again with a copy: SET PUBLICATION {publication}",
            lambda: _subscribe(work, publication, copy_data=True),
            journalled=True,
        ),
        _drop_step(work),
    ]


def _drop_step(work: _Resync) -> Step:
    what = f"{work.spec.database}: DROP PUBLICATION {work.temporary_publication}, which is not used any more"
    return Step(work.publisher.name, what, lambda: _drop_temporary_publication(work), journalled=True)


def _others(work: _Resync) -> PublicationSpec | None:
    """Return the publication's other tables, with filters and column lists; None if it lacks this table."""
    found = read_publications(work.publisher, work.spec.database).get(work.spec.publication)
    tables = published_tables(work.publisher, work.spec.database, work.spec.publication)
    if found is None or work.table not in {(t.schema, t.table) for t in tables}:
        return None
    named = {(t.schema, t.name): t for t in found.holds.tables}
    rest = [
        named.get((t.schema, t.table), PublishedTable(t.schema, t.table, only=True))
        for t in tables
        if (t.schema, t.table) != work.table
    ]
    return PublicationSpec(False, (), tuple(rest))


def _create_temporary_publication(work: _Resync) -> str:
    there = read_publications(work.publisher, work.spec.database)
    others = _others(work)
    if work.begun or others is None:
        return "it is already in use"
    _drop_temporary_publication(work)
    model = there[work.spec.publication]
    objects = compose(" FOR {}", publication_objects(others)) if others.tables else compose("")
    work.publisher.execute(
        compose(
            "CREATE PUBLICATION {}{} WITH (publish = {}, publish_via_partition_root = {})",
            identifier(work.temporary_publication),
            objects,
            model.operations,
            model.via_root,
        ),
        database=work.spec.database,
    )
    return f"{len(others.tables)} tables"


def _pass(work: _Resync) -> str:
    """Wait until the publication's creation is confirmed.

    A walsender that decodes WAL from before the creation would not find the publication.
    """
    arrived = wait_applied(work.publisher, work.subscriber, [work.spec], timeout=_CONFIRMED_WITHIN)
    return f"confirmed {arrived.lsn}"


def _subscribe(work: _Resync, publication: str, *, copy_data: bool) -> str:
    """Replace one publication by the other, and wait for the worker to start again with it."""
    before = apply_of(work.subscriber, work.spec)
    wanted = [
        publication if p in (work.spec.publication, work.temporary_publication) else p
        for p in work.now.publications
    ]
    if require_subscription(work.subscriber, work.spec).publications == tuple(wanted):
        return "it is already set"
    work.subscriber.execute(
        compose(
            "ALTER SUBSCRIPTION {} SET PUBLICATION {} WITH (refresh = true, copy_data = {})",
            identifier(work.now.name),
            join(", ", [identifier(p) for p in wanted]),
            copy_data,
        ),
        database=work.spec.database,
    )
    wait_until(
        f"{work.now.name} to start again",
        lambda: apply_of(work.subscriber, work.spec),
        lambda now: now is not None and now.pid is not None and (before is None or now.pid != before.pid),
        timeout=_RESTARTED_WITHIN,
        describe=lambda now: f"worker {now.pid if now else None}",
    )
    return f"of {', '.join(wanted)}"


def _drop_temporary_publication(work: _Resync) -> str:
    work.publisher.execute(
        compose("DROP PUBLICATION IF EXISTS {}", identifier(work.temporary_publication)),
        database=work.spec.database,
    )
    return "dropped"


def _wait(work: _Resync) -> str:
    def state() -> str | None:
        return _look(work.publisher, work.subscriber, work.spec, work.table).state

    wait_until(
        f"{work.summary} to be ready",
        state,
        lambda found: found == "r",
        timeout=_COPIED_WITHIN,
        describe=lambda found: f"state {found}",
        remedy="Read the subscriber's log: the copy may fail.",
    )
    return "ready"
