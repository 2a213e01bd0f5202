"""A change of roles (section 9): planned switchover, unplanned failover, rejoin of the old primary."""

from pgnb.physical.failover.checklist import failover_checks
from pgnb.physical.failover.evidence import measure_failover, plot_failover
from pgnb.physical.failover.fence import plan_fence
from pgnb.physical.failover.followers import plan_followers, plan_primary_settings, plan_rejoin
from pgnb.physical.failover.inprogress import role_change_checks
from pgnb.physical.failover.loss import Loss, estimate_loss
from pgnb.physical.failover.participants import RoleChange, RoleChangeTerms, role_change
from pgnb.physical.failover.promotion import plan_promotion
from pgnb.physical.failover.readiness import operation_checks
from pgnb.physical.failover.service import plan_service
from pgnb.physical.failover.switchover import plan_switchover

__all__ = [
    "Loss",
    "RoleChange",
    "RoleChangeTerms",
    "estimate_loss",
    "failover_checks",
    "measure_failover",
    "operation_checks",
    "plan_fence",
    "plan_followers",
    "plan_primary_settings",
    "plan_promotion",
    "plan_rejoin",
    "plan_service",
    "plan_switchover",
    "plot_failover",
    "role_change",
    "role_change_checks",
]
