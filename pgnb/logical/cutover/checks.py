"""Pre-checks, post-checks and rights of a cut-over."""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.cluster import Right
from pgnb.core.checks import Check, Checks
from pgnb.core.parallel import map_parallel
from pgnb.logical.cutover.failover_publications import publishing_checks
from pgnb.logical.cutover.participants import Cutover
from pgnb.logical.cutover.reverse_replication import reverse_replication_settings
from pgnb.logical.cutover.status import CutoverStatus, DatabaseState, cutover_status, unfinished
from pgnb.logical.database_properties import properties_check
from pgnb.logical.publications import update_checks
from pgnb.logical.sequences import missing_sequences, sequences_without_column
from pgnb.logical.slots import logical_slots
from pgnb.logical.targets import databases_of
from pgnb.postgres.config.restart import restart_rights
from pgnb.postgres.roles import role_rights

_SEE = "See 12.9, which names the cause and the remedy."


def cutover_checks(cut: Cutover, *, prepared: bool = True, allow_restart: bool = False) -> Checks:
    """Check what must hold before the operation begins.

    After an interrupted run they pass again, so that it can continue. Until reverse replication is
    `prepared`, they check that it can be: a restart included, if it needs one.
    """
    status = cutover_status(cut)
    items = [
        *_of_everybody(cut, status, prepared or not allow_restart),
        *cut.cluster.access_checks(service_rights(cut, status)),
    ]
    for state in status.items:
        items += _planned(state) if cut.operation == "cutover" else []
    items += _sequences(cut, status)
    if cut.operation == "cutover" and not cut.why_absent:
        items.append(properties_check(cut.publisher, cut.subscriber, cut.specs.databases))
    items += publishing_checks(cut, done=False) if cut.operation == "failover" else ()
    return Checks.of(f"Before {cut.operation}", items, cut.cluster.journal)


def _of_everybody(cut: Cutover, status: CutoverStatus, as_is: bool) -> list[Check]:
    answers = not cut.why_absent
    begun = status.leads or (
        cut.operation == "failover" and any(state.orphaned_slot for state in status.items)
    )
    wanted = cut.operation != "failover"
    level = str(cut.subscriber.scalar("SELECT pg_catalog.current_setting('wal_level')"))
    items = [
        Check(
            "databases",
            bool(cut.specs),
            ", ".join(cut.specs.databases) or "none",
            "one or more",
            "Name them, or set up replication first (12).",
        ),
        Check(
            "the publisher answers" if wanted else "the publisher is dead",
            answers == wanted or begun,
            "answers" if answers else cut.why_absent,
            "answers" if wanted else "no answer",
            "If it is dead, set operation = failover. If it is alive, operation = cutover loses nothing,"
            " and a failover would.",
        ),
        Check(
            "the subscriber is writable",
            cut.subscriber.facts.role == "primary",
            cut.subscriber.facts.role,
            "primary",
            "A standby cannot become the primary here; name the subscriber.",
        ),
    ]
    return [*items, *(_reverse_checks(cut, status, level, as_is) if cut.reverse.service else ())]


def _reverse_checks(cut: Cutover, status: CutoverStatus, level: str, as_is: bool) -> list[Check]:
    """Check slots and wal_level for reverse replication.

    If writes are already blocked, a slot with this name is ours, left by an interrupted run; otherwise it
    belongs to someone else.
    """
    slots = logical_slots(cut.subscriber)
    taken = [
        s.spec.slot
        for s in status.items
        if s.spec.slot in slots and not s.reverse_subscription and not s.blocked
    ]
    return [
        *update_checks(cut.subscriber, cut.specs, planned=not as_is),
        Check(
            "wal_level of the subscriber",
            level == "logical" or not as_is,
            level,
            "logical",
            "Reverse replication needs it, with a restart (allow_restart); else set reverse_service = ''.",
        ),
        Check(
            "slots of reverse replication",
            not taken,
            ", ".join(taken) or "none there",
            "none there",
            "Drop them on the subscriber if they are not needed (07).",
        ),
    ]


def _planned(state: DatabaseState) -> list[Check]:
    database, subscription, write_status = state.spec.database, state.subscription, state.write_status
    resumed = subscription is None and state.blocked and state.slot is None
    loose = write_status.summary if write_status else "the publisher does not answer"
    return [
        Check(
            f"{database}: subscription",
            bool(subscription and subscription.enabled) or resumed,
            subscription.summary
            if subscription
            else "dropped by an interrupted cut-over"
            if resumed
            else "none",
            "enabled, or dropped with writes blocked",
            _SEE,
        ),
        Check(
            f"{database}: tables",
            state.ready,
            subscription.summary if subscription else "–",
            "all ready",
            "Wait for the initial copy (12.4).",
        ),
        Check(
            f"{database}: nothing bypasses the write block",
            not loose,
            loose or "nothing",
            "nothing",
            "Run COMMIT PREPARED or ROLLBACK PREPARED; ALTER ROLE ... RESET default_transaction_read_only.",
        ),
    ]


def _sequences(cut: Cutover, status: CutoverStatus) -> list[Check]:
    """Check, as advice, that all sequences can be set; unknown ones need a confirmation."""
    if status.leads:
        return []
    there = databases_of(cut.publisher)
    both = [s for s in cut.specs if s.database in there]
    found = map_parallel(lambda spec: missing_sequences(cut.publisher, cut.subscriber, spec), both)
    lacking = [f"{s.database}: {one}" for s, names in zip(both, found, strict=True) for one in names]
    unknown = unknown_sequences(cut)
    return [
        Check(
            "sequences missing on the subscriber",
            not lacking,
            ", ".join(lacking) or "none",
            "none",
            "Create them there if clients use them.",
            advice=True,
        ),
        Check(
            "sequences with an unknown value",
            not unknown,
            ", ".join(unknown) or "none",
            "none",
            "No column uses them: set them by hand, and name them in accept_sequences.",
            advice=True,
        ),
    ]


def unknown_sequences(cut: Cutover) -> list[str]:
    """Return, if the publisher is dead, the sequences that no column uses, as `database: schema.name`."""
    if cut.operation != "failover":
        return []
    found = map_parallel(lambda spec: sequences_without_column(cut.subscriber, spec.database), cut.specs)
    return [f"{spec.database}: {one}" for spec, names in zip(cut.specs, found, strict=True) for one in names]


def cutover_postchecks(cut: Cutover) -> Checks:
    """Return post-checks, read from both servers after the operation completed."""
    status = cutover_status(cut)
    items = [check for state in status.items for check in _afterwards(cut, state)]
    if cut.operation in ("cutover", "failover"):
        items.append(
            Check(
                f"Service {cut.service}",
                status.leads,
                status.leads_to,
                "leads to the subscriber",
                "Run this notebook again: it continues from here.",
            )
        )
    items += publishing_checks(cut, done=True) if cut.operation == "failover" else ()
    return Checks.of(f"After {cut.operation}", items, cut.cluster.journal)


def _afterwards(cut: Cutover, state: DatabaseState) -> list[Check]:
    database, again = state.spec.database, "Run this notebook again: it continues from here."
    if cut.operation == "clean":
        return [
            Check(
                f"{database}: its slot",
                not state.orphaned_slot,
                "left" if state.orphaned_slot else "dropped",
                "dropped",
                again,
            )
        ]
    if cut.operation == "abandon":
        found = "blocked" if state.blocked else "allowed"
        return [Check(f"{database}: writes", not state.blocked, found, "allowed", again)]
    items = [
        Check(
            f"{database}: subscription",
            state.subscription is None,
            state.subscription.summary if state.subscription else "dropped",
            "dropped",
            again,
        ),
        Check(
            f"{database}: sequences",
            not state.advances,
            f"{len(state.advances)} behind",
            "none behind",
            again,
        ),
    ]
    if cut.operation == "cutover":
        found = "blocked" if state.blocked else "allowed"
        items.append(Check(f"{database}: writes on the publisher", state.blocked, found, "blocked", again))
    if cut.reverse.service:
        items.append(
            Check(
                f"{database}: reverse replication",
                state.reverse_subscription,
                "follows" if state.reverse_subscription else "none",
                "the publisher follows",
                again,
            )
        )
    return items


_CLIENT = "to measure the time without writes with a client"
_CLIENT_RIGHTS = (Right("create", "pods", why=_CLIENT), Right("delete", "pods", why=_CLIENT))


def cutover_rights(cut: Cutover, *, measure: bool = False, allow_restart: bool = False) -> Checks:
    """Check every right that the operation needs, the preparation of reverse replication included.

    Empty if the operation already completed, or needs no Kubernetes API access. `measure`: whether a client
    measures; `allow_restart`: whether the subscriber is restarted if reverse replication needs it.
    """
    status = cutover_status(cut)
    rights = [*service_rights(cut, status)]
    if rights and measure and cut.operation == "cutover":
        rights += _CLIENT_RIGHTS
    if rights and cut.reverse.service:
        rights += _reverse_rights(cut, allow_restart=allow_restart)
    checks = Checks.of(f"May this user run {cut.operation}?", (), cut.cluster.journal)
    return checks + cut.cluster.access_checks(rights)


def service_rights(cut: Cutover, status: CutoverStatus) -> Iterator[Right]:
    """Return the right to switch the Service, which must not be missing once writes are blocked."""
    switched = status.leads and cut.operation == "failover"
    if cut.operation in ("cutover", "failover") and unfinished(cut, status) and not switched:
        yield Right("patch", "services", why="to switch clients to the subscriber", name=cut.service)


def _reverse_rights(cut: Cutover, *, allow_restart: bool) -> Iterator[Right]:
    yield from role_rights(cut.subscriber, cut.reverse.secret)
    if allow_restart and cut.subscriber.settings(reverse_replication_settings(cut)).unmet:
        yield from restart_rights(cut.subscriber)
