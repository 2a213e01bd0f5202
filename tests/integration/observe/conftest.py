"""A primary and a standby that streams from it, on the session's rehearsal cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from observed_pair import PASSWORD, Pair, pair_in

from pgnb.cluster import Cluster, connect
from pgnb.core.wait import wait_until
from pgnb.postgres import Server
from pgnb.postgres.find import find_server

_STANDBY = """\
set -e
test -e "$PGDATA/PG_VERSION" || pg_basebackup -D "$PGDATA" -R -X stream --checkpoint=fast -S replica_slot \
    -d "host=primary user=postgres application_name=async_replica"
exec postgres
"""


@pytest.fixture(scope="module")
def pair(kubeconfig: Path, shared: Callable[..., str], start_postgres: Callable[..., Any]) -> Iterator[Pair]:
    """A primary and its standby, both Ready; the slot is replica_slot. All files here share them."""
    namespace = shared(lambda made: _furnish(kubeconfig, made, start_postgres))
    made = pair_in(str(kubeconfig), connect(str(kubeconfig), "", namespace, dry_run=False))
    yield made
    made.close()


def _furnish(kubeconfig: Path, namespace: str, start_postgres: Callable[..., Any]) -> None:
    start_postgres(namespace, "primary", args=("-c", "wal_keep_size=256MB"))
    cluster = connect(str(kubeconfig), "", namespace, dry_run=False)
    primary = find_server(cluster, "app=primary", password=PASSWORD)
    _let_replicate(cluster, primary)

    def standby(pod: dict[str, Any]) -> None:
        if pod.get("kind") == "Deployment" or "template" in pod.get("spec", {}):
            spec = pod["spec"]["template"]["spec"]
            spec["containers"][0]["command"] = ["bash", "-c", _STANDBY]
            secret = {"secretKeyRef": {"name": "primary", "key": "password"}}
            spec["containers"][0]["env"].append({"name": "PGPASSWORD", "valueFrom": secret})

    start_postgres(namespace, "standby", patch=standby)
    wait_until(
        "the standby streams",
        lambda: primary.scalar("SELECT count(*) FROM pg_stat_replication"),
        lambda count: count == 1,
        timeout=60,
    )
    primary.close()
    cluster.close()


def _let_replicate(cluster: Cluster, primary: Server) -> None:
    rule = "host replication all all scram-sha-256"
    cluster.exec(
        primary.pod, ["sed", "-i", f"$ a {rule}", primary.facts.hba_file], changes="a rule for replication"
    )
    primary.execute("SELECT pg_reload_conf()")
    primary.execute("SELECT pg_create_physical_replication_slot('replica_slot', true)")
    wait_until(
        "the rule is in force",
        lambda: primary.scalar(
            "SELECT count(*) FROM pg_hba_file_rules WHERE 'replication' = ANY (database) AND address = 'all'"
        ),
        timeout=60,
    )
