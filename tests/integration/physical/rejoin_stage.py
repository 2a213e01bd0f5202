"""Servers that change roles (stopped, crashed, promoted), and what a rejoin needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from replication_stage import ROLE, SECRET, Stage

from pgnb.core.checks import verify
from pgnb.physical import Source, StandbySpec, replication_source, standby_checks
from pgnb.physical.rejoin import Rejoin, plan_rejoin_server
from pgnb.postgres import Server
from pgnb.postgres.progress import marker, wait_replayed

SERVICE = "postgres-primary"
FIRST, SECOND, THIRD = SERVICE, "node-b", "node-c"


@dataclass
class Nodes:
    """Three servers; `lead` is the workload of the present primary."""

    stage: Stage
    lead: str = FIRST
    servers: dict[str, Server] = field(default_factory=dict)

    def server(self, name: str) -> Server:
        if name not in self.servers:
            self.servers[name] = self.stage.server(name)
        return self.servers[name]

    @property
    def primary(self) -> Server:
        return self.server(self.lead)

    def source(self) -> Source:
        return replication_source(self.primary, role=ROLE, secret=SECRET, service=SERVICE)

    def stop(self, name: str) -> None:
        self.servers.pop(name).close()
        self.stage.cluster.scale_and_wait(self.stage.cluster.find_workload("Deployment", name), 0)

    def promote(self, name: str) -> None:
        """Promote the given standby, and switch the Service to it."""
        assert self.server(name).scalar("SELECT pg_promote(true, 60)") is True
        self.server(name).refresh()
        self.lead = name
        body = {"spec": {"selector": {"app": name}}}
        self.stage.cluster.patch("services", SERVICE, body, f"lead {SERVICE} to {name}")

    def rejoin(self, old: str, slot: str, **options: Any) -> Rejoin:
        return plan_rejoin_server(self.primary, StandbySpec(old, slot, old), self.source(), **options)

    def verified(self, name: str, slot: str) -> Server:
        standby = self.server(name)
        standby.refresh()
        wait_replayed(standby, marker(self.primary), timeout=60)
        verify(standby_checks(self.primary, standby, slot=slot, application_name=name))
        return standby

    def crash(self, name: str) -> None:
        """Shut down without a checkpoint before SIGKILL, by halting the checkpointer."""
        server = self.server(name)
        pid = server.scalar("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
        self.stage.cluster.exec(server.pod, ["kill", "-STOP", str(pid)], changes="halt the checkpointer")
        self.stop(name)

    def close(self) -> None:
        for server in self.servers.values():
            server.close()
        self.stage.cluster.close()


def short_grace(manifest: dict[str, Any]) -> None:
    """Set three seconds from the signal to SIGKILL."""
    if "template" in manifest.get("spec", {}):
        manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 3
