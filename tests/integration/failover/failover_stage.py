"""A primary with standbys that stream from it, and the faults that tests cause."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pgnb.cluster import Cluster, connect
from pgnb.core.plan import Change, gate
from pgnb.core.wait import wait_until
from pgnb.observe.scratch import Scratch
from pgnb.observe.writer import Writer, start_writer
from pgnb.physical import (
    StandbySpec,
    plan_base_backup,
    plan_slot,
    plan_standby_config,
    plan_standby_workload,
    replication_source,
)
from pgnb.physical.failover import RoleChange, RoleChangeTerms, role_change
from pgnb.postgres import HbaRule, Server, ServerAccess, find_server
from pgnb.postgres.config.hba import plan_hba
from pgnb.postgres.roles import plan_role
from pgnb.postgres.source import Source

ROLE, SECRET, PRIMARY = "replicator", "replication", "postgres-primary"
PASSWORD = f"secret:{PRIMARY}/password"
STANDBYS = "app.kubernetes.io/managed-by=pgnb,app.kubernetes.io/component!=helper"


@dataclass
class Family:
    """One namespace with a primary; `add` gives it a standby."""

    cluster: Cluster
    primary: Server
    kubeconfig: Path

    def server(self, name: str) -> Server:
        """The server of a workload."""
        return find_server(self.cluster, f"app={name}", password=PASSWORD)

    def source(self) -> Source:
        """Return the source, after creating its role, Secret and pg_hba.conf rule."""
        carry_out(plan_role(self.primary, ROLE, SECRET))
        carry_out(plan_hba(self.primary, [HbaRule("host", "replication", ROLE, "10.0.0.0/8")]))
        return replication_source(self.primary, role=ROLE, secret=SECRET)

    def add(self, name: str) -> Server:
        """Make a standby of that name, with a slot of that name."""
        source, slot, config = self.source(), name.replace("-", "_"), f"{name}-config"
        carry_out(plan_slot(self.primary, slot, consumer=name))
        carry_out(plan_standby_config(self.primary, config))
        spec = StandbySpec(name, slot, name, config_map=config)
        carry_out(plan_standby_workload(self.primary, spec, source))
        carry_out(plan_base_backup(self.primary, spec, source))
        return self.server(name)

    def roles(
        self,
        path: str,
        *,
        old: str = PRIMARY,
        selector: str = STANDBYS,
        password: str = PASSWORD,
        candidate: str = "",
        allow_slot_loss: str = "",
    ) -> RoleChange:
        """Return the change of roles for an operation."""
        return role_change(
            self.cluster,
            path,
            old,
            ServerAccess(password=password),
            standby_selector=selector,
            service=PRIMARY,
            candidate=candidate,
            terms=RoleChangeTerms(allow_slot_loss),
        )

    def planning(self) -> Family:
        """The same in a run that only plans."""
        cluster = connect(str(self.kubeconfig), "", self.cluster.namespace, dry_run=True)
        return replace(self, cluster=cluster)

    def other(self) -> Family:
        """Return the same for another person, in another run."""
        cluster = connect(str(self.kubeconfig), "", self.cluster.namespace, dry_run=False)
        return replace(self, cluster=cluster)

    def write(self) -> Writer:
        """A client that writes through the Service."""
        return start_writer(self.primary, Scratch(self.primary, "writes"), PASSWORD, host=PRIMARY)


def open_family(kubeconfig: Path, namespace: str) -> Family:
    """Return the family of a running primary."""
    cluster = connect(str(kubeconfig), "", namespace, dry_run=False)
    return Family(cluster, find_server(cluster, f"app={PRIMARY}", password=PASSWORD), kubeconfig)


def carry_out(change: Change, **confirmations: object) -> None:
    """Gate and apply a change, as a cell does."""
    gate(change, **confirmations)
    change.apply()


def writable(server: Server) -> bool:
    """Whether the server accepts a client's writes."""
    server.close_sessions()  # A switchover that was begun has ended them.
    server.execute("CREATE TABLE IF NOT EXISTS proof (n int)")
    return server.scalar("SHOW default_transaction_read_only") == "off"


def cut_off(standby: Server) -> None:
    """Cut the standby off, as a broken network does."""
    standby.execute("ALTER SYSTEM SET primary_conninfo = ''")
    standby.execute("SELECT pg_reload_conf()")
    wait_until(
        "no receiver",
        lambda: standby.scalar("SELECT count(*) FROM pg_stat_wal_receiver"),
        lambda count: count == 0,
        timeout=60,
    )


def crash(primary: Server) -> None:
    """Crash the primary so that it can't start again; its pod stays, not Ready."""
    primary.execute("ALTER SYSTEM SET shared_preload_libraries = 'no_such_library'")
    primary.cluster.exec(primary.pod, ["sh", "-c", "kill -QUIT 1"], changes="an immediate shutdown")
    wait_until(
        "the primary's pod is not Ready",
        lambda: primary.cluster.pods(primary.selector),
        lambda pods: not any(pod.ready for pod in pods),
        timeout=60,
    )
    primary.close()
