"""pg_wal on its own claim: helper pods on a stopped server's data find its WAL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rejoin_stage import FIRST, SECOND, Nodes
from replication_stage import carry_out, open_stage

from pgnb.cluster import connect
from pgnb.physical.target import find_target, inspect
from pgnb.postgres import find_server
from pgnb_rehearsal.client import Client

pytestmark = pytest.mark.long


def with_a_wal_volume(obj: dict[str, Any]) -> None:
    template = obj.get("spec", {}).get("template")
    if template is not None:
        container = template["spec"]["containers"][0]
        container["env"].append({"name": "POSTGRES_INITDB_WALDIR", "value": "/wal/pg_wal"})
        container["volumeMounts"].append({"name": "wal", "mountPath": "/wal"})
        template["spec"]["volumes"].append({"name": "wal", "persistentVolumeClaim": {"claimName": "wal"}})


def make_the_claim(api: Client, namespace: str) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    api.create(claims, {"metadata": {"name": "wal"}, "spec": spec})


def test_a_helper_has_the_servers_other_claims(
    namespace: str, kubeconfig: Path, api: Client, start_postgres: Callable[..., Any]
) -> None:
    make_the_claim(api, namespace)
    start_postgres(namespace, "split", patch=with_a_wal_volume)
    cluster = connect(str(kubeconfig), namespace=namespace)
    server = find_server(cluster, "app=split", password="secret:split/password")
    segment = str(server.scalar("SELECT pg_walfile_name(pg_current_wal_lsn())"))
    owner, bin_dir = server.owner, server.facts.bin_dir
    server.close()
    cluster.scale_and_wait(cluster.find_workload("Deployment", "split"), 0)
    target = find_target(cluster, "split")
    assert target is not None
    with cluster.helper(target.helper("look", (), uid=owner.uid, gid=owner.gid)) as helper:
        assert segment in helper.exec(["ls", f"{target.directory}/pg_wal/"]).text
        state = inspect(helper.exec, target.directory, target.root, bin_dir)
    assert state.found["wal"] == "/wal/pg_wal"
    cluster.close()


def test_a_crashed_primary_is_rewound_and_keeps_its_wal_where_it_was(
    namespace: str, kubeconfig: Path, api: Client, start_postgres: Callable[..., Any]
) -> None:
    make_the_claim(api, namespace)
    start_postgres(namespace, FIRST, args=("postgres", "-c", "wal_log_hints=on"), patch=with_a_wal_volume)
    stage = open_stage(kubeconfig, namespace)
    nodes = Nodes(stage)
    try:
        stage.workload(SECOND, "slot_b")
        carry_out(stage.backup(SECOND, "slot_b"))
        nodes.primary.execute("CREATE TABLE written AS SELECT 1 AS n")
        nodes.verified(SECOND, "slot_b")
        nodes.crash(FIRST)
        nodes.promote(SECOND)
        change = nodes.rejoin(FIRST, "slot_a", method="rewind", discard_diverged=FIRST)
        assert change.method == "rewind"
        carry_out(change)
        back = nodes.verified(FIRST, "slot_a")
        wal = f"{back.facts.data_directory}/pg_wal"
        assert stage.cluster.exec(back.pod, ["readlink", wal]).text == "/wal/pg_wal"
    finally:
        nodes.close()
        stage.primary.close()
