"""Remedies that alter an existing subscription: ENABLE, REFRESH and SKIP."""

from __future__ import annotations

from pgnb.core.checks import Check, Checks
from pgnb.core.errors import GateClosed
from pgnb.core.plan import Change, Confirmation, Step
from pgnb.core.wait import wait_until
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.subscription import Subscription, read_subscriptions
from pgnb.logical.subscriptions import refresh
from pgnb.logical.workers import Apply
from pgnb.postgres import Server, compose, identifier
from pgnb.postgres.progress import lsn_bytes

PARAMETER = "confirm_remedy"
"""The parameter that confirms a remedy by the name of what it changes."""
_SKIP_SINCE = 15
_SKIPPED_WITHIN = 60.0


def require_subscription(subscriber: Server, spec: DatabaseSpec) -> Subscription:
    """Return the spec's subscription. Raises GateClosed if there is none."""
    found = read_subscriptions(subscriber, spec.database).get(spec.subscription)
    if found is None:
        raise GateClosed(
            f"{spec.database}: there is no subscription {spec.subscription} on {subscriber.name}",
            found="not in pg_subscription",
            remedy="12_00_logical_replication (section 12.4) creates it; remedy = 'recreate' does so with a"
            " new copy.",
        )
    return found


def apply_of(subscriber: Server, spec: DatabaseSpec) -> Apply | None:
    """Return the state of the spec's apply worker and origin now."""
    found = (Apply(**row) for row in subscriber.query("logical/apply_state"))
    wanted = (spec.database, spec.subscription)
    return next((apply for apply in found if (apply.database, apply.subscription) == wanted), None)


def plan_enable(subscriber: Server, spec: DatabaseSpec) -> Change:
    """Plan to enable a disabled subscription; asks for its name. Raises GateClosed if there is none."""
    now = require_subscription(subscriber, spec)
    title = f"enable {now.name} in {spec.database}"
    if now.enabled:
        return Change(title, subscriber.journal, note="It is enabled.")
    return Change(
        title,
        subscriber.journal,
        f"{now.name}: disabled\n",
        f"{now.name}: enabled\n",
        [_enable_step(subscriber, spec)],
        note="If an error disabled it, the same error occurs again unless its cause is removed.",
        undo_text=f"ALTER SUBSCRIPTION {now.name} DISABLE",
        confirmations=[Confirmation(PARAMETER, now.name, "The changes that its slot retained are applied.")],
    )


def _enable_step(subscriber: Server, spec: DatabaseSpec) -> Step:
    def run() -> str:
        statement = compose("ALTER SUBSCRIPTION {} ENABLE", identifier(spec.subscription))
        subscriber.execute(statement, database=spec.database)
        return "enabled"

    what = f"{spec.database}: ALTER SUBSCRIPTION {spec.subscription} ENABLE"
    return Step(subscriber.name, what, run, journalled=True)


def plan_refresh(subscriber: Server, spec: DatabaseSpec, unknown: tuple[str, ...]) -> Change:
    """Plan to add the published tables `unknown` to the subscription, and copy them; asks for its name.

    Empty without such tables. Raises GateClosed for a disabled subscription.
    """
    now = require_subscription(subscriber, spec)
    title = f"refresh {now.name} in {spec.database}"
    if not unknown:
        return Change(title, subscriber.journal, note="It knows every published table.")
    if not now.enabled:
        raise GateClosed(
            f"{spec.database}: {now.name} is disabled, and only an enabled one can be refreshed",
            found=now.summary,
            remedy="Enable it first (remedy = 'enable').",
        )

    def run() -> str:
        refresh(subscriber, spec, copy_data=True)
        return f"{len(unknown)} tables added; their rows are being copied"

    step = Step(
        subscriber.name,
        f"{spec.database}: ALTER SUBSCRIPTION {now.name} REFRESH PUBLICATION",
        run,
        journalled=True,
    )
    after = "".join(f"{table}: to be copied\n" for table in unknown)
    return Change(
        title,
        subscriber.journal,
        "",
        after,
        [step],
        note="Existing rows are copied; those tables must be empty on the subscriber.",
        confirmations=[Confirmation(PARAMETER, now.name, "Those tables are copied from the publisher.")],
    )


def plan_skip(subscriber: Server, spec: DatabaseSpec, lsn: str | None, words: str) -> Change:
    """Plan to skip the transaction that finishes at `lsn`, all of it; asks for that LSN.

    `words` say what it failed with. A subscription that an error disabled is enabled afterwards. Raises
    GateClosed before PostgreSQL 15, and without an LSN.
    """
    now = require_subscription(subscriber, spec)
    title = f"skip a transaction of {now.name} in {spec.database}"
    if subscriber.facts.major < _SKIP_SINCE or lsn is None:
        raise GateClosed(
            f"{spec.database}: there is no transaction to skip",
            found=f"PostgreSQL {subscriber.facts.version_text}, finish LSN in the log: {lsn or 'none'}",
            remedy="SKIP needs PostgreSQL 15 and the LSN from the log; with streaming = parallel set it"
            " to on and wait for the conflict to occur again. Else remove the row on the"
            " subscriber.",
        )
    steps = [
        _skip_step(subscriber, spec, lsn),
        *(() if now.enabled else (_enable_step(subscriber, spec),)),
        _passed_step(subscriber, spec, lsn),
    ]
    return Change(
        title,
        subscriber.journal,
        f"{lsn}: {words}\n",
        f"{lsn}: skipped\n",
        steps,
        note="Every change of that transaction is skipped, also those to other tables: compare the counts"
        " afterwards, and resync the tables that differ.",
        confirmations=[Confirmation(PARAMETER, lsn, "The whole transaction is skipped.")],
        precheck=lambda: _still_waiting(subscriber, spec, lsn),
    )


def _still_waiting(subscriber: Server, spec: DatabaseSpec, lsn: str) -> Checks:
    apply = apply_of(subscriber, spec)
    waiting = apply is not None and apply.has_not_applied(lsn)
    found = f"applied up to {apply.remote_lsn or 'nothing yet'}" if apply else "no subscription"
    check = Check(
        f"the transaction at {lsn} waits",
        waiting,
        found,
        f"not beyond {lsn}",
        "It is already applied: run this notebook again, the conflict may be another one now.",
    )
    return Checks.of(f"Before skipping in {spec.database}", [check], subscriber.journal)


def _skip_step(subscriber: Server, spec: DatabaseSpec, lsn: str) -> Step:
    def run() -> str:
        statement = compose("ALTER SUBSCRIPTION {} SKIP (lsn = {})", identifier(spec.subscription), lsn)
        subscriber.execute(statement, database=spec.database)
        return f"the transaction that finishes at {lsn} will be skipped"

    what = f"{spec.database}: ALTER SUBSCRIPTION {spec.subscription} SKIP (lsn = '{lsn}')"
    return Step(subscriber.name, what, run, journalled=True)


def _passed_step(subscriber: Server, spec: DatabaseSpec, lsn: str) -> Step:
    def run() -> str:
        passed = wait_until(
            f"{spec.subscription} to continue after {lsn}",
            lambda: apply_of(subscriber, spec),
            lambda apply: (
                apply is not None
                and apply.remote_lsn is not None
                and lsn_bytes(apply.remote_lsn) > lsn_bytes(lsn)
            ),
            timeout=_SKIPPED_WITHIN,
            describe=lambda apply: str(apply and apply.remote_lsn),
            remedy="Read the subscriber's log: another error may occur before that transaction.",
        )
        return f"applied up to {passed.remote_lsn}" if passed else "the subscription was dropped"

    return Step(subscriber.name, f"{spec.database}: wait until the apply worker is past {lsn}", run)
