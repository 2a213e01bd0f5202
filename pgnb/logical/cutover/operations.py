"""The plan of each operation, from what the servers still lack: a second run finds nothing to do."""

from __future__ import annotations

from pgnb.core.checks import Check, Checks
from pgnb.core.plan import Change, Confirmation, Step
from pgnb.logical.cutover.checks import cutover_checks, unknown_sequences
from pgnb.logical.cutover.failover_publications import unpublished
from pgnb.logical.cutover.participants import Cutover
from pgnb.logical.cutover.resume_writes import GO_ON, reasons_against
from pgnb.logical.cutover.status import CutoverStatus, cutover_status, unfinished
from pgnb.logical.cutover.steps import CutoverSteps, FailoverSteps
from pgnb.logical.orphaned_slots import drop_orphaned_slots, orphaned_slots
from pgnb.logical.write_block import allow_writes
from pgnb.postgres.services import read_service


def plan_cutover(cut: Cutover) -> Change:
    """Plan the chosen operation.

    `cutover` asks for `allow_cutover`; `failover` for `allow_cutover`, `accept_loss` and, if no column uses a
    sequence, `accept_sequences` (their names); `clean` for `drop_slots` (their names); `abandon` for
    `allow_cutover`. Raises ParameterError for a Service that cannot be switched.
    """
    if cut.operation == "clean":
        return _clean(cut)
    status = cutover_status(cut)
    if cut.operation == "abandon":
        return _abandon(cut, status)
    to_publish = unpublished(cut) if cut.operation == "failover" else []
    if not unfinished(cut, status) and not to_publish:
        return Change(_title(cut), cut.cluster.journal, note="It is complete: see the states of its steps.")
    read_service(cut)
    return _planned(cut, status) if cut.operation == "cutover" else _failover(cut, status)


def _title(cut: Cutover) -> str:
    return f"{cut.operation} to {cut.subscriber.name}"


def _planned(cut: Cutover, status: CutoverStatus) -> Change:
    work = CutoverSteps(cut)
    return Change(
        _title(cut),
        cut.cluster.journal,
        _text(cut, status),
        _after(cut),
        work.steps(status),
        note="If a step fails before the first subscription is dropped, writes are allowed again.",
        undo_text="before that: operation = abandon; afterwards: a cut-over in the other direction"
        " (reverse_service)",
        confirmations=[_allow()],
        precheck=lambda: cutover_checks(cut),
    )


def _failover(cut: Cutover, status: CutoverStatus) -> Change:
    not_ready = ", ".join(s.spec.database for s in status.items if not s.ready)
    why = "What the publisher committed and the subscriber had not applied is lost."
    why += f" Tables that were not copied yet remain incomplete in {not_ready}." if not_ready else ""
    wanted = [_allow(), Confirmation("accept_loss", True, why)]
    unknown = ", ".join(unknown_sequences(cut))
    if unknown:
        wanted.append(
            Confirmation("accept_sequences", unknown, "The last values of these sequences are unknown.")
        )
    return Change(
        _title(cut),
        cut.cluster.journal,
        _text(cut, status),
        _after(cut),
        FailoverSteps(cut).steps(status),
        note="The slots left on the publisher are recorded; operation = clean drops them when it is back.",
        confirmations=wanted,
        precheck=lambda: cutover_checks(cut),
    )


def _allow() -> Confirmation:
    return Confirmation("allow_cutover", True, "Clients are switched to the other server.")


def _text(cut: Cutover, status: CutoverStatus) -> str:
    lines = [
        f"{s.spec.database}: {s.subscription.summary if s.subscription else 'dropped'}" for s in status.items
    ]
    advances = [f"{s.spec.database}: {advance.summary}" for s in status.items for advance in s.advances]
    return "\n".join([*lines, *advances, f"Service {cut.service}: {status.leads_to}", ""])


def _after(cut: Cutover) -> str:
    back = f", replicated to {cut.publisher.name}" if cut.reverse.service else ""
    lines = [f"{spec.database}: primary is {cut.subscriber.name}{back}" for spec in cut.specs]
    made = [f"{s.database}: {s.publication}" for s in unpublished(cut)] if cut.operation == "failover" else []
    return "\n".join([*lines, *made, f"Service {cut.service}: leads to the subscriber", ""])


def _clean(cut: Cutover) -> Change:
    left = tuple(one for one in orphaned_slots(cut.subscriber) if one.database in cut.specs.databases)
    title = f"orphaned slots on {cut.publisher.name}"
    if not left:
        return Change(title, cut.cluster.journal, note="There is no orphaned slot.")
    names = ", ".join(one.slot for one in left)

    def run() -> str:
        return drop_orphaned_slots(cut.publisher, cut.subscriber, left)

    return Change(
        title,
        cut.cluster.journal,
        "".join(f"{one.slot} of {one.database}\n" for one in left),
        "",
        [Step(cut.publisher.name, f"drop the slots {names}", run, journalled=True)],
        note="They retain WAL until the disk is full. The rows there remain; no client must write to them.",
        confirmations=[Confirmation("drop_slots", names, "No subscription uses them any more.")],
        precheck=lambda: cutover_checks(cut),
    )


def _abandon(cut: Cutover, status: CutoverStatus) -> Change:
    title = f"allow writes on {cut.publisher.name} again"
    dropped = [state.spec.database for state in status.items if not state.has_subscription]
    blocked = [state.spec.database for state in status.items if state.blocked]
    if dropped or status.leads or not blocked:
        why = (
            f"Subscriptions are already dropped ({', '.join(dropped)}): continue with operation = cutover."
            if dropped
            else ""
        )
        return Change(
            title,
            cut.cluster.journal,
            note=why or "No database is blocked, or the Service is already switched.",
        )
    names = ", ".join(blocked)

    def run() -> str:
        return allow_writes(cut.publisher, blocked)

    return Change(
        title,
        cut.cluster.journal,
        f"writes blocked: {names}\n",
        f"writes allowed: {names}\n",
        [Step(cut.publisher.name, f"ALTER DATABASE ... RESET in {names}", run, journalled=True)],
        confirmations=[_allow()],
        precheck=lambda: _unblock_checks(cut),
    )


def _unblock_checks(cut: Cutover) -> Checks:
    """Check immediately before: somebody else may have completed the cut-over meanwhile."""
    against = reasons_against(cut)
    check = Check(
        "writes may be allowed again",
        not against,
        "; ".join(against) or "no reason against it",
        "no reason against it",
        GO_ON.format(publisher=cut.publisher.name),
    )
    return Checks.of(f"Before writes on {cut.publisher.name}", [check], cut.cluster.journal)
