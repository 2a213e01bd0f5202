"""Logical replication's cut-over: clients led from the publisher to the subscriber, planned or in need.

logical_cutover(cluster, path, subscriber, ...) -> Cutover       who takes part, and which way
cutover_status(cut) -> CutoverStatus                             each step's state, by database
cutover_rights(cut, ...) -> Checks                               whether the user may take the path
cutover_checks(cut) -> Checks                                    whether the path may begin
plan_cutover(cut) -> Change                                      the path itself
cutover_done(cut) -> Checks                                      what is found afterwards
measure_cutover(cut, ...), plot_cutover(cut)                     what a client saw of it
"""

from pgnb.logical.cutover.checks import cutover_checks, cutover_postchecks, cutover_rights
from pgnb.logical.cutover.measure import measure_cutover, plot_cutover
from pgnb.logical.cutover.operations import plan_cutover
from pgnb.logical.cutover.participants import logical_cutover
from pgnb.logical.cutover.reverse_replication import plan_reverse_replication, reverse_replication_settings
from pgnb.logical.cutover.status import cutover_status

__all__ = [
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
