"""A change of roles (section 9): planned switchover, unplanned failover, and the old primary's return."""

from pgnb.operate.failover.checklist import succession_checks
from pgnb.operate.failover.evidence import measure_succession, plot_succession
from pgnb.operate.failover.fence import plan_fence
from pgnb.operate.failover.followers import plan_followers, plan_return, plan_settings_of_primary
from pgnb.operate.failover.inprogress import role_change_checks
from pgnb.operate.failover.loss import Loss, estimate_loss
from pgnb.operate.failover.promotion import plan_promotion
from pgnb.operate.failover.readiness import path_checks
from pgnb.operate.failover.service import plan_service
from pgnb.operate.failover.succession import Succession, succession
from pgnb.operate.failover.switchover import plan_switchover

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
