"""Notebook 09 from its first cell to its last, everything allowed; also as a process that can be killed."""

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
from pgnb.physical.failover import (
    estimate_loss,
    path_checks,
    plan_fence,
    plan_followers,
    plan_promotion,
    plan_return,
    plan_service,
    plan_switchover,
    succession_checks,
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
    """One run of 09; `accept_loss` is a permission of its own."""

    family: Family
    accept_loss: bool = False

    def carry_out(self, path: str) -> None:
        pair = self.family.roles(path)
        hold_lease(pair.candidate, notebook="09")
        gate_checks(path_checks(pair, allow_promotion=True, allow_rejoin=True))
        self._apply(plan_switchover(pair))
        self._apply(plan_fence(pair))
        loss = estimate_loss(pair)
        gate_checks(loss.checks)
        self._apply(plan_promotion(pair, loss))
        self._apply(plan_service(pair))
        source = pair.source(ROLE, SECRET)
        self._apply(plan_followers(pair, source))
        options = {"discard_diverged": PRIMARY, "wipe_standby_data": PRIMARY}
        slot = {"slot": "replica_a", "application_name": PRIMARY}
        self._apply(plan_return(pair, source, **slot, **options))
        verify(succession_checks(pair))
        finish(self.family.cluster)

    def _apply(self, change: Change) -> None:
        gate(change, **ALLOWED, accept_loss=self.accept_loss)
        change.apply()

    def repair(self) -> None:
        """What the notebook says to do after a run that was killed: again, or a failover where it says so."""
        try:
            self.carry_out("switchover")
        except GateClosed as closed:
            assert "path = failover" in closed.remedy, closed
            self.carry_out("failover")
            self.carry_out("rejoin")


def main(kubeconfig: str, namespace: str, path: str, accept_loss: str) -> None:
    cluster = connect(kubeconfig, "", namespace, dry_run=False)
    unseen: Any = None  # The old primary may be what does not answer.
    family = Family(cluster, unseen, Path(kubeconfig))
    Procedure(family, accept_loss=accept_loss == "yes").carry_out(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
