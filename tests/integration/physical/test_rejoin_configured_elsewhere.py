"""Rejoin of a server whose postgresql.conf is on a mount, not in its data directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rejoin_stage import FIRST, SECOND, Nodes, short_grace
from replication_stage import ROLE, carry_out, open_stage

from pgnb_rehearsal.client import Client

pytestmark = pytest.mark.long
_CONF = """\
listen_addresses = '*'
hba_file = '/etc/postgresql/pg_hba.conf'
wal_log_hints = on
"""
_HBA = f"""\
local all all trust
host all all all scram-sha-256
host replication {ROLE} 10.0.0.0/8 scram-sha-256
"""


def on_a_mount(manifest: dict[str, Any]) -> None:
    short_grace(manifest)
    if "template" in manifest.get("spec", {}):
        spec = manifest["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        container["args"] = ["-c", "config_file=/etc/postgresql/postgresql.conf"]
        mount = {"name": "conf", "mountPath": "/etc/postgresql"}
        container["volumeMounts"] = [*container["volumeMounts"], mount]
        spec["volumes"] = [*spec["volumes"], {"name": "conf", "configMap": {"name": "conf"}}]


@pytest.fixture
def nodes(
    namespace: str, api: Client, kubeconfig: Path, start_postgres: Callable[..., Any]
) -> Iterator[Nodes]:
    data = {"postgresql.conf": _CONF, "pg_hba.conf": _HBA}
    api.create(f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "conf"}, "data": data})
    start_postgres(namespace, FIRST, patch=on_a_mount)
    stage = open_stage(kubeconfig, namespace)
    stage.primary.execute("CREATE TABLE kept (n int)")
    remove = ["rm", f"{stage.primary.facts.data_directory}/postgresql.conf"]
    stage.cluster.exec(stage.primary.pod, remove, changes="remove initdb's own postgresql.conf")
    stage.workload(SECOND, "slot_b")
    carry_out(stage.backup(SECOND, "slot_b"))
    made = Nodes(stage, servers={FIRST: stage.primary})
    yield made
    made.close()


def test_a_crashed_primary_without_a_postgresql_conf_of_its_own_is_rewound(nodes: Nodes) -> None:
    old = nodes.primary
    old.execute("CHECKPOINT")  # One whose WAL the standby has, too.
    nodes.verified(SECOND, "slot_b")
    nodes.promote(SECOND)
    old.execute("INSERT INTO kept VALUES (1)")
    nodes.primary.execute("INSERT INTO kept VALUES (2)")
    nodes.crash(FIRST)
    change = nodes.rejoin(FIRST, "slot_a", discard_diverged=FIRST)
    assert change.method == "rewind", change
    carry_out(change)
    back = nodes.verified(FIRST, "slot_a")
    assert back.query("SELECT n FROM kept") == nodes.primary.query("SELECT n FROM kept")
    assert back.facts.config_file == "/etc/postgresql/postgresql.conf"
