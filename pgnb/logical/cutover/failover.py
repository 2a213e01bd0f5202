"""The publisher is dead: subscriptions go without it, sequences get a margin, the Service is led on.

Last of all, publications are made on the new primary: the outage does not wait for them.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgnb.core.parallel import run_all
from pgnb.core.plan import Step
from pgnb.logical.cutover.failover_publications import publish, unpublished
from pgnb.logical.cutover.participants import Cutover
from pgnb.logical.cutover.status import CutoverStatus, gaps_of
from pgnb.logical.orphaned_slots import drop_without_publisher, make_notes
from pgnb.logical.sequences import set_sequences
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.subscription import read_subscriptions
from pgnb.postgres import compose, identifier
from pgnb.postgres.services import switch


@dataclass
class Emergency:
    """The steps without a publisher; each does what is left."""

    cut: Cutover

    def steps(self, status: CutoverStatus) -> list[Step]:
        """In order: a publisher that comes back must not write into tables whose sequences were just set."""
        there, margin = self.cut.subscriber.name, self.cut.margin
        service = f"service/{self.cut.service}"
        steps = [
            Step(there, "DISABLE the subscriptions", self._disable, True),
            Step(there, f"sequences: beyond the rows that are there, by {margin:,}", self._sequences, True),
            Step(there, "note the slots; SET (slot_name = NONE); DROP SUBSCRIPTION", self._drop, True),
        ]
        lead = [Step(service, "lead the clients to the subscriber", lambda: switch(self.cut), True)]
        follow = Step(there, "publications, so that others can follow", lambda: publish(self.cut), True)
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
            standing = read_subscriptions(self.cut.subscriber, spec.database).get(spec.subscription)
            gaps = gaps_of(self.cut, spec, standing)
            return set_sequences(self.cut.subscriber, spec, gaps)

        return f"{sum(run_all(carry, self.cut.specs, lambda spec: spec.database))} set"

    def _drop(self) -> str:
        make_notes(self.cut.subscriber)
        run_all(self._drop_one, self.cut.specs, lambda spec: spec.database)
        return "dropped; their slots are noted in pgnb.left_slots"

    def _drop_one(self, spec: DatabaseSpec) -> None:
        now = read_subscriptions(self.cut.subscriber, spec.database).get(spec.subscription)
        if now is not None:
            drop_without_publisher(self.cut.subscriber, spec, now)
