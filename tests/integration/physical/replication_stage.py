"""A primary in its own namespace, and the steps of sections 2.3 to 3.3 on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgnb.cluster import Cluster, connect
from pgnb.core.plan import Change, gate
from pgnb.physical import (
    Source,
    StandbySpec,
    plan_base_backup,
    plan_slot,
    plan_standby_config,
    plan_standby_workload,
    replication_source,
)
from pgnb.postgres import HbaRule, Server, find_server
from pgnb.postgres.config.hba import plan_hba
from pgnb.postgres.roles import plan_role

ROLE, SECRET = "replicator", "replication"
ROWS = 20_000


@dataclass
class Stage:
    """One namespace with a primary; `primary` and `cluster` act, `plan_only()` gives a pair that does not."""

    cluster: Cluster
    primary: Server
    kubeconfig: Path
    namespace: str

    def server(self, name: str, cluster: Cluster | None = None) -> Server:
        """The server of a workload; logins are those of the primary, whose roles a standby has."""
        password = "secret:postgres-primary/password"
        return find_server(cluster or self.cluster, f"app={name}", password=password)

    def plan_only(self) -> Server:
        """The primary in a run that only plans."""
        cluster = connect(str(self.kubeconfig), "", self.namespace, dry_run=True)
        return self.server("postgres-primary", cluster)

    def source(self) -> Source:
        """Return the source, after creating its role, Secret and pg_hba.conf rule."""
        for change in (
            plan_role(self.primary, ROLE, SECRET),
            plan_hba(self.primary, [HbaRule("host", "replication", ROLE, "10.0.0.0/8")]),
        ):
            carry_out(change)
        return replication_source(self.primary, role=ROLE, secret=SECRET)

    def workload(self, name: str, slot: str) -> Source:
        """Create everything up to the workload, scaled to 0."""
        source = self.source()
        carry_out(plan_slot(self.primary, slot, consumer=name))
        carry_out(plan_standby_config(self.primary, f"{name}-config"))
        carry_out(plan_standby_workload(self.primary, spec_of(name, slot), source))
        return source

    def backup(
        self, name: str, slot: str, *, tablespaces: Mapping[str, str] | None = None, **options: Any
    ) -> Change:
        """Plan the base backup."""
        spec = spec_of(name, slot, tablespaces)
        source = replication_source(self.primary, role=ROLE, secret=SECRET)
        return plan_base_backup(self.primary, spec, source, **options)


def spec_of(name: str, slot: str, tablespaces: Mapping[str, str] | None = None) -> StandbySpec:
    """Return a standby whose name is also its application_name, with a ConfigMap of its own."""
    return StandbySpec(name, slot, name, f"{name}-config", tablespaces or {})


def carry_out(change: Change) -> None:
    """Gate and apply a change, as a cell does."""
    gate(change)
    change.apply()


def open_stage(kubeconfig: Path, namespace: str, primary: str = "postgres-primary") -> Stage:
    """Return the stage of a running primary."""
    cluster = connect(str(kubeconfig), "", namespace, dry_run=False)
    server = find_server(cluster, f"app={primary}", password=f"secret:{primary}/password")
    return Stage(cluster, server, kubeconfig, namespace)
