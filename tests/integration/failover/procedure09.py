"""Run notebook 09 from its first cell to its last, everything allowed; also as a killable process."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from failover_stage import PRIMARY, ROLE, SECRET, Family

from pgnb.cluster import connect
from pgnb.core.checks import gate as gate_checks
from pgnb.core.checks import verify
from pgnb.core.errors import GateClosed
from pgnb.core.evidence import finish
from pgnb.core.plan import Change, gate
from pgnb.physical import StandbySpec
from pgnb.physical.failover import (
    estimate_loss,
    failover_checks,
    operation_checks,
    plan_fence,
    plan_followers,
    plan_promotion,
    plan_rejoin,
    plan_service,
    plan_switchover,
)
from pgnb.postgres.lease import hold_lease

ALLOWED = {
    "allow_promotion": True,
    "fence_answering_primary": PRIMARY,
    "accept_weak_fence": PRIMARY,
    "discard_diverged": PRIMARY,
    "wipe_standby_data": PRIMARY,
}


@dataclass
class Procedure:
    """One run of 09; `accept_loss` is given separately."""

    family: Family
    accept_loss: bool = False

    def carry_out(self, path: str) -> None:
        role_change = self.family.roles(path)
        hold_lease(role_change.candidate, notebook="09")
        gate_checks(operation_checks(role_change, allow_promotion=True, allow_rejoin=True))
        self._apply(plan_switchover(role_change))
        self._apply(plan_fence(role_change))
        loss = estimate_loss(role_change)
        gate_checks(loss.checks)
        self._apply(plan_promotion(role_change, loss))
        self._apply(plan_service(role_change))
        source = role_change.source(ROLE, SECRET)
        self._apply(plan_followers(role_change, source))
        options = {"discard_diverged": PRIMARY, "wipe_standby_data": PRIMARY}
        spec = StandbySpec(PRIMARY, "replica_a", PRIMARY)
        self._apply(plan_rejoin(role_change, spec, source, **options))
        verify(failover_checks(role_change))
        finish(self.family.cluster)

    def _apply(self, change: Change) -> None:
        gate(change, **ALLOWED, accept_loss=self.accept_loss)
        change.apply()

    def repair(self) -> None:
        """Do what the notebook says after a killed run: run it again, or a failover if it says so."""
        try:
            self.carry_out("switchover")
        except GateClosed as closed:
            assert "operation = failover" in closed.remedy, closed
            self.carry_out("failover")
            self.carry_out("rejoin")


def main(kubeconfig: str, namespace: str, path: str, accept_loss: str) -> None:
    cluster = connect(kubeconfig, "", namespace, dry_run=False)
    unseen: Any = None  # The old primary may not answer.
    family = Family(cluster, unseen, Path(kubeconfig))
    Procedure(family, accept_loss=accept_loss == "yes").carry_out(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
