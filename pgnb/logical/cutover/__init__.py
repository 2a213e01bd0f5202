"""Cut-over of logical replication: switch clients from the publisher to the subscriber.

logical_cutover(operation, subscriber, ...) -> Cutover           the participants and the operation
cutover_status(cut) -> CutoverStatus                             the state of each step, by database
cutover_rights(cut, ...) -> Checks                               the user's Kubernetes rights
cutover_checks(cut) -> Checks                                    pre-checks
plan_cutover(cut) -> Change                                      the plan
cutover_postchecks(cut) -> Checks                                post-checks
measure_cutover(cut, ...), plot_cutover(cut)                     the time without writes, as a client sees it
"""

from pgnb.logical.cutover.checks import cutover_checks, cutover_postchecks, cutover_rights
from pgnb.logical.cutover.measure import measure_cutover, plot_cutover
from pgnb.logical.cutover.operations import plan_cutover
from pgnb.logical.cutover.participants import CutoverTerms, ReverseReplication, logical_cutover
from pgnb.logical.cutover.reverse_replication import plan_reverse_replication, reverse_replication_settings
from pgnb.logical.cutover.status import cutover_status

__all__ = [
    "CutoverTerms",
    "ReverseReplication",
    "cutover_checks",
    "cutover_postchecks",
    "cutover_rights",
    "cutover_status",
    "logical_cutover",
    "measure_cutover",
    "plan_cutover",
    "plan_reverse_replication",
    "plot_cutover",
    "reverse_replication_settings",
]
