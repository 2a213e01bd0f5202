"""A change of roles (section 9): planned switchover, unplanned failover, and the old primary's return."""

from pgnb.physical.failover.checklist import succession_checks
from pgnb.physical.failover.evidence import measure_succession, plot_succession
from pgnb.physical.failover.fence import plan_fence
from pgnb.physical.failover.followers import plan_followers, plan_return, plan_settings_of_primary
from pgnb.physical.failover.inprogress import role_change_checks
from pgnb.physical.failover.loss import Loss, estimate_loss
from pgnb.physical.failover.promotion import plan_promotion
from pgnb.physical.failover.readiness import path_checks
from pgnb.physical.failover.service import plan_service
from pgnb.physical.failover.succession import Succession, succession
from pgnb.physical.failover.switchover import plan_switchover

__all__ = [
    "Loss",
    "Succession",
    "estimate_loss",
    "measure_succession",
    "path_checks",
    "plan_fence",
    "plan_followers",
    "plan_promotion",
    "plan_return",
    "plan_service",
    "plan_settings_of_primary",
    "plan_switchover",
    "plot_succession",
    "role_change_checks",
    "succession",
    "succession_checks",
]
