"""A primary and two standbys that stream, on the session's rehearsal cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from online_stage import PASSWORD, Trio, open_trio

from pgnb.cluster import connect
from pgnb.core.plan import gate
from pgnb.core.wait import wait_until
from pgnb.physical import plan_slots
from pgnb.postgres import HbaRule, find_server
from pgnb.postgres.config.hba import plan_hba

_STANDBY = """\
set -e
test -e "$PGDATA/PG_VERSION" || pg_basebackup -D "$PGDATA" -R -X stream --checkpoint=fast -S {slot} \
    -d "host=primary user=postgres application_name={slot}"
exec postgres
"""


@pytest.fixture(scope="module")
def trio(kubeconfig: Path, module_namespace: str, start_postgres: Callable[..., Any]) -> Iterator[Trio]:
    """The primary and its standbys a and b, with the slots standby_a and standby_b."""
    start_postgres(module_namespace, "primary")
    cluster = connect(str(kubeconfig), "", module_namespace, dry_run=False)
    primary = find_server(cluster, "app=primary", password=PASSWORD)
    rule = HbaRule("host", "replication", "postgres", "10.0.0.0/8")
    for change in (plan_hba(primary, [rule]), plan_slots(primary, ["standby_a", "standby_b"])):
        gate(change)
        change.apply()
    for letter in "ab":
        start_postgres(module_namespace, f"standby-{letter}", patch=_standby(f"standby_{letter}"))
    wait_until(
        "both standbys stream",
        lambda: primary.scalar("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"),
        lambda count: count == 2,
        timeout=60,
    )
    primary.close()
    cluster.close()
    made = open_trio(kubeconfig, module_namespace)
    yield made
    made.close()


def _standby(slot: str) -> Callable[[dict[str, Any]], None]:
    def patch(obj: dict[str, Any]) -> None:
        template = obj.get("spec", {}).get("template")
        if template:
            template["metadata"]["labels"] = {**template["metadata"]["labels"], "role": "standby"}
            container = template["spec"]["containers"][0]
            container["command"] = ["bash", "-c", _STANDBY.format(slot=slot)]
            secret = {"secretKeyRef": {"name": "primary", "key": "password"}}
            container["env"].append({"name": "PGPASSWORD", "valueFrom": secret})

    return patch
