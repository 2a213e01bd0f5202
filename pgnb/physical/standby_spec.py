"""What a standby's workload, its base backup and its rejoin have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class StandbySpec:
    """A standby as it is desired.

    `name` is its Deployment or StatefulSet; `slot` and `application_name` are what the primary knows it by.
    `config_map` holds its settings; "" for none. `tablespaces` maps a path at the primary to another one at
    the standby; others keep their path. `container` runs PostgreSQL ("" finds it), with its data in
    `data_directory` ("" takes PGDATA). `copy_timeout` and `start_timeout` are seconds, for a base backup or
    pg_rewind, and for each pod to start.
    """

    name: str
    slot: str
    application_name: str
    config_map: str = ""
    tablespaces: Mapping[str, str] = field(default_factory=dict)
    container: str = ""
    data_directory: str = ""
    copy_timeout: float = 6 * 3600.0
    start_timeout: float = 300.0
