"""A server that an operator is in charge of is refused before any change, or accepted by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pgnb.cluster import connect
from pgnb.core.errors import GateClosed
from pgnb.physical.failover.old_primary import old_primary
from pgnb.postgres import ServerAccess, find_server
from pgnb.postgres.preflight import preflight

PATRONI = "Zalando postgres-operator (Spilo, Patroni)"


def spilo(obj: dict[str, Any]) -> None:
    template = obj.get("spec", {}).get("template")
    if template is not None:
        template["metadata"]["labels"] = template["metadata"]["labels"] | {"application": "spilo"}


def test_it_is_refused_with_the_operators_own_way_unless_it_is_named(
    namespace: str, kubeconfig: Path, start_postgres: Callable[..., Any]
) -> None:
    start_postgres(namespace, "theirs", patch=spilo)
    told: dict[str, Any] = {"password": "secret:theirs/password"}
    refusing = connect(str(kubeconfig), namespace=namespace, dry_run=False, accept_operator=[])
    for look in (
        lambda: find_server(refusing, "app=theirs", **told),
        lambda: old_primary(refusing, "theirs", ServerAccess()),
    ):
        with pytest.raises(GateClosed, match="application=spilo") as refused:
            look()
        assert "patronictl switchover" in refused.value.remedy
        assert f"accept_operator = [{PATRONI!r}]" in refused.value.remedy
    assert not list(refusing.journal.changes)
    planning = connect(str(kubeconfig), namespace=namespace, dry_run=True, accept_operator=[])
    find_server(planning, "app=theirs", **told).close()
    (kept,) = [one for one in planning.journal.checked if "Who manages" in one.title]
    assert kept.failed
    for accepted in (["CloudNativePG", PATRONI], None):
        cluster = connect(str(kubeconfig), namespace=namespace, dry_run=False, accept_operator=accepted)
        server = find_server(cluster, "app=theirs", **told)
        (check,) = [one for one in preflight(server).items if one.name == "managed by an operator"]
        assert check.advice and PATRONI in str(check.found)
        server.close()
        cluster.close()
    refusing.close()
    planning.close()
