"""A primary with two standbys, each with its own slot, and the actions of tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgnb.cluster import Cluster, connect
from pgnb.core.plan import Applied, Change, gate
from pgnb.online.plan import ConfigMaps, OnlineChange, plan_online
from pgnb.postgres import Server, find_server
from pgnb.postgres.standbys import find_standbys

PASSWORD = "secret:primary/password"
STANDBYS = "role=standby"
MAPS = ConfigMaps("primary-config", "standby-config")


@dataclass(frozen=True)
class Trio:
    """The servers in one run."""

    kubeconfig: Path
    cluster: Cluster
    primary: Server
    standbys: tuple[Server, ...]

    def run(self, *, dry_run: bool = False) -> Trio:
        """Return the same servers in another run, with another journal."""
        return open_trio(self.kubeconfig, self.cluster.namespace, dry_run=dry_run)

    def plan(self, settings: dict[str, str], standby_settings: dict[str, str], **more: Any) -> OnlineChange:
        return plan_online(self.primary, self.standbys, settings, standby_settings, config_maps=MAPS, **more)

    def close(self) -> None:
        for server in (self.primary, *self.standbys):
            server.close()
        self.cluster.close()


def open_trio(kubeconfig: Path, namespace: str, *, dry_run: bool = False) -> Trio:
    cluster = connect(str(kubeconfig), "", namespace, dry_run=dry_run)
    primary = find_server(cluster, "app=primary", password=PASSWORD)
    return Trio(kubeconfig, cluster, primary, find_standbys(cluster, STANDBYS, password=PASSWORD, at_least=2))


def carry_out(change: Change) -> Applied:
    """Gate and apply a change, as a cell does."""
    gate(change, allow_restart=True)
    return change.apply()


def shown(server: Server, *names: str) -> tuple[str, ...]:
    """Return settings as shown in a new session."""
    with server.new_session() as session:
        return tuple(session.query(f"SHOW {name}")[0][name] for name in names)


def files_of(trio: Trio) -> dict[str, object]:
    """What a change may write: the servers' files and their ConfigMaps."""
    found: dict[str, object] = {}
    for server in (trio.primary, *trio.standbys):
        folder = server.facts.data_directory
        for name in ("postgresql.conf", "pgnb.conf", "postgresql.auto.conf"):
            result = trio.cluster.exec(server.pod, ["cat", f"{folder}/{name}"], check=False)
            found[f"{server.selector} {name}"] = result.stdout
    for name in (MAPS.primary, MAPS.standbys):
        found[name] = (trio.cluster.get("configmaps", name) or {}).get("data")
    return found
