"""A further standby led to the new primary (section 9): its slot there first, then its connection."""

from __future__ import annotations

from pgnb.plan import Change
from pgnb.replication.source import Source
from pgnb.server import Server


def plan_repoint(
    standby: Server, new_primary: Server, source: Source, slot: str, *,
    application_name: str = "", start_timeout: float = 300.0,
) -> Change:  # fmt: skip
    """Lead a running standby to `new_primary`, through `slot`, which is made there first.

    `application_name` empty keeps the standby's own. A reload does it; where the standby's passfile has no
    line for the source, its workload gets one, which restarts the standby.
    Raises ParameterError for one that received WAL behind the fork: only `plan_rejoin` helps it.
    """
    raise NotImplementedError
