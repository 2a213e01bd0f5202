"""The steps of a cut-over and of a failover to the subscriber.

Each step reads the servers first and does what is left, so that an interrupted run can continue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pgnb.core.errors import ChangeFailed, PgnbError, VerificationFailed
from pgnb.core.parallel import map_parallel, run_all
from pgnb.core.plan import Step
from pgnb.logical.arrival import wait_applied
from pgnb.logical.cutover.failover_publications import publish, unpublished
from pgnb.logical.cutover.participants import Cutover
from pgnb.logical.cutover.resume_writes import restore_writes, subscribed_specs
from pgnb.logical.cutover.reverse_replication import follow
from pgnb.logical.cutover.status import CutoverStatus, advances_of
from pgnb.logical.initial_copy import wait_copied
from pgnb.logical.orphaned_slots import drop_without_publisher, ensure_table
from pgnb.logical.row_counts import compare_row_counts
from pgnb.logical.sequences import advances_from_publisher, set_sequences
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.subscription import read_subscriptions
from pgnb.logical.write_block import block_writes, end_sessions
from pgnb.postgres import compose, identifier
from pgnb.postgres.services import switch


@dataclass
class CutoverSteps:
    """The steps of a planned cut-over: block writes, wait for all changes, only then drop anything."""

    cut: Cutover

    def steps(self, status: CutoverStatus) -> list[Step]:
        """Return all steps in order; without counting if clients already use the subscriber."""
        here, there = self.cut.publisher.name, self.cut.subscriber.name
        proof: list[tuple[str, str, Callable[[], str]]] = [
            (here, "block clients' writes and end their sessions", self._stop),
            (there, "wait until every table is ready and every slot has confirmed a marker", self._arrive),
            (there, "compare row counts on both servers, table by table", self._count),
            (there, "set sequences to the publisher's values, with is_called", self._sequences),
        ]
        rest: list[tuple[str, str, Callable[[], str]]] = [
            (there, "DROP SUBSCRIPTION, with the slots on the publisher", self._drop)
        ]
        if self.cut.reverse.service:
            rest.append(
                (here, "reverse replication: create publications, slots and subscriptions", self._follow)
            )
        rest.append((f"service/{self.cut.service}", "switch the clients to the subscriber", self._switch))
        done = [] if status.leads else proof
        guarded = [Step(target, what, lambda run=run: self._guarded(run), True) for target, what, run in done]  # type: ignore[misc]
        return [*guarded, *(Step(target, what, run, True) for target, what, run in rest)]

    def _guarded(self, run: Callable[[], str]) -> str:
        """Allow writes again after a failure before the first drop, unless a reason speaks against it."""
        try:
            return run()
        except PgnbError as error:
            remedy = f"{error.remedy} {restore_writes(self.cut)}".strip()
            raise ChangeFailed(error.message, found=error.found, remedy=remedy) from error
        except BaseException as interrupt:
            # An interrupt has no remedy text: its note says what was restored.
            interrupt.add_note(restore_writes(self.cut))
            raise

    def _stop(self) -> str:
        with self.cut.phase("writes blocked"):
            return block_writes(self.cut.publisher, self.cut.blocked_databases)

    def _arrive(self) -> str:
        cut, subscribed = self.cut, subscribed_specs(self.cut)
        if not subscribed:
            return "every subscription is already dropped"
        with self.cut.phase("marker confirmed"):
            wait_copied(cut.publisher, cut.subscriber, subscribed, timeout=cut.terms.timeout)
            found = wait_applied(cut.publisher, cut.subscriber, subscribed, timeout=cut.terms.timeout)
        return f"{found.lsn} confirmed by {len(subscribed)} slots"

    def _count(self) -> str:
        cut = self.cut
        compared = [spec for spec in cut.specs if spec.database not in cut.terms.skip_row_count]
        with cut.phase("rows counted"):
            counted = map_parallel(
                lambda spec: compare_row_counts(cut.publisher, cut.subscriber, spec), compared
            )
        cut.progress.row_counts |= {one.database: one for one in counted}
        different = [f"{one.database}: {words}" for one in counted for words in one.different]
        if different:
            raise VerificationFailed(
                f"{len(different)} tables differ although all changes were applied",
                found="; ".join(different),
                remedy="Resynchronise them (12.9), or find who wrote on the subscriber.",
            )
        left = (
            f"; not counted (skip_row_count): {', '.join(cut.terms.skip_row_count)}"
            if cut.terms.skip_row_count
            else ""
        )
        tables, rows = sum(one.tables for one in counted), sum(one.rows for one in counted)
        return f"{tables} tables, {rows:,} rows{left}"

    def _sequences(self) -> str:
        cut = self.cut

        def carry(spec: DatabaseSpec) -> int:
            advances = advances_from_publisher(cut.publisher, cut.subscriber, spec)
            return set_sequences(cut.subscriber, spec, advances)

        with self.cut.phase("sequences"):
            return f"{sum(run_all(carry, cut.specs, lambda spec: spec.database))} set"

    def _drop(self) -> str:
        subscribed = subscribed_specs(self.cut)

        def drop(spec: DatabaseSpec) -> None:
            statement = compose("DROP SUBSCRIPTION IF EXISTS {}", identifier(spec.subscription))
            self.cut.subscriber.execute(statement, database=spec.database)

        with self.cut.phase("subscriptions dropped"):
            run_all(drop, subscribed, lambda spec: spec.database)
        return f"{len(subscribed)} dropped"

    def _follow(self) -> str:
        with self.cut.phase("reverse replication"):
            return follow(self.cut)

    def _switch(self) -> str:
        """Switch the Service, then end the read-only sessions of clients that reconnected meanwhile."""
        with self.cut.phase("Service switched"):
            words = switch(self.cut)
            ended = end_sessions(self.cut.publisher, self.cut.blocked_databases)
        return f"{words}; {ended} read-only sessions ended"


@dataclass
class FailoverSteps:
    """The steps without a publisher: drop subscriptions, advance sequences by a margin, switch the Service.

    Publications are created on the new primary last, so that they do not extend the outage.
    """

    cut: Cutover

    def steps(self, status: CutoverStatus) -> list[Step]:
        """Return the steps in order.

        The subscriptions are disabled first: a publisher that returns must not write into tables whose
        sequences were set.
        """
        there, margin = self.cut.subscriber.name, self.cut.terms.margin
        service = f"service/{self.cut.service}"
        steps = [
            Step(there, "DISABLE the subscriptions", self._disable, True),
            Step(there, f"set sequences {margin:,} values beyond the existing rows", self._sequences, True),
            Step(there, "record the slots; SET (slot_name = NONE); DROP SUBSCRIPTION", self._drop, True),
        ]
        lead = [Step(service, "switch the clients to the subscriber", lambda: switch(self.cut), True)]
        follow = Step(
            there, "create publications, so that others can subscribe", lambda: publish(self.cut), True
        )
        return [*steps, *([] if status.leads else lead), *([follow] if unpublished(self.cut) else ())]

    def _disable(self) -> str:
        run_all(self._disable_one, self.cut.specs, lambda spec: spec.database)
        return "disabled"

    def _disable_one(self, spec: DatabaseSpec) -> None:
        now = read_subscriptions(self.cut.subscriber, spec.database).get(spec.subscription)
        if now and now.enabled:
            statement = compose("ALTER SUBSCRIPTION {} DISABLE", identifier(now.name))
            self.cut.subscriber.execute(statement, database=spec.database)

    def _sequences(self) -> str:
        def carry(spec: DatabaseSpec) -> int:
            subscription = read_subscriptions(self.cut.subscriber, spec.database).get(spec.subscription)
            advances = advances_of(self.cut, spec, subscription)
            return set_sequences(self.cut.subscriber, spec, advances)

        return f"{sum(run_all(carry, self.cut.specs, lambda spec: spec.database))} set"

    def _drop(self) -> str:
        ensure_table(self.cut.subscriber)
        run_all(self._drop_one, self.cut.specs, lambda spec: spec.database)
        return "dropped; their slots are recorded in pgnb.left_slots"

    def _drop_one(self, spec: DatabaseSpec) -> None:
        now = read_subscriptions(self.cut.subscriber, spec.database).get(spec.subscription)
        if now is not None:
            drop_without_publisher(self.cut.subscriber, spec, now)
