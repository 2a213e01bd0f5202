"""A former primary as a standby of the new one (section 9): the gentlest way that its data allow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pgnb.plan import Change
from pgnb.replication.source import Source
from pgnb.server import Server

Way = Literal["follow", "rewind", "base backup"]
"""By primary_conninfo alone; by pg_rewind; by a new base backup."""


@dataclass
class Rejoin(Change):
    """A change that also knows its way; empty when nothing is to do, or when a plan-only run can't tell."""

    way: Way | Literal[""] = field(default="", repr=False)


def plan_rejoin(
    old: str, new_primary: Server, *, source: Source, slot: str, application_name: str,
    config_map: str = "", way: Way | Literal["auto"] = "auto", discard_diverged: str = "",
    wipe_standby_data: str = "", container: str = "", data_directory: str = "",
    timeout: float = 6 * 3600.0, start_timeout: float = 300.0,
) -> Rejoin:  # fmt: skip
    """Make the stopped workload `old` a streaming standby of `new_primary`; nothing to do where it is one.

    Confirmations (by gate or as arguments): `discard_diverged` = `old`, where transactions that it committed
    behind the fork are dropped by pg_rewind; `wipe_standby_data` = its claim, where a base backup replaces it.
    """
    raise NotImplementedError
