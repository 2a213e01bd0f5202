"""The notebooks 00 to 05 with the rights of pgnb/manifests/rbac.yaml: enough for each, and none unused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shaped
from cells import performed
from restricted import granted, kubeconfig_of_account, recorded

from pgnb.cluster import connect
from pgnb.core.errors import AccessDenied, GateClosed
from pgnb_rehearsal.client import Client

pytestmark = pytest.mark.long

OBSERVE, CONFIGURE, STANDBY = "pgnb-observe", "pgnb-configure", "pgnb-standby"
NAMES = {
    "postgres-primary": "orders-db",
    "postgres-primary-config": "orders-conf",
    "postgres-replication": "replication",
}
PARAMETERS = {"primary_config_map": "orders-conf", "replication_secret": "replication"}
_SECRETS = "for orders-db, postgres-subscriber, replication"
# Taken where something does not go as it should, by another workload than those of these tests, or by 11.
ELSEWHERE = {("list", "events"), ("patch", "deployments"), ("patch", "statefulsets"), ("list", "cronjobs")}
# The rehearsal has no autoscalers; 00 and 08 look for changes of roles.
ELSEWHERE |= {("list", "horizontalpodautoscalers"), ("list", "scaledobjects")}
ELSEWHERE |= {("list", "deployments"), ("list", "statefulsets"), ("get", "leases")}


@pytest.fixture
def account(place: Callable[..., Any], kubeconfig: Path, tmp_path: Path, api: Client) -> Callable[..., Any]:
    """`account(roles…)`: a StatefulSet's parameters for an account with these roles."""
    there = place(shaped.stateful_set())

    def restrict(*roles: str) -> dict[str, Any]:
        path = tmp_path / "-".join(roles)
        kubeconfig_of_account(there.cluster, api, kubeconfig, path, roles, NAMES)
        return there.parameters | PARAMETERS | {"kubeconfig": str(path)}

    return restrict


def test_each_notebook_has_the_rights_that_it_needs_and_no_other(
    account: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = account(OBSERVE)
    with recorded(monkeypatch) as reading:
        for number in ("00", "02", "03"):
            with performed(number, reader | {"dry_run": "auto" if number == "00" else "true"}):
                pass
    denied = pytest.raises(AccessDenied, match='cannot patch resource "configmaps"')
    with denied as refused, performed("02", reader):
        pass
    assert "kubectl auth can-i patch configmaps" in refused.value.remedy
    with pytest.raises(GateClosed, match="patch configmaps"), performed("01", reader):
        pass
    writer = account(OBSERVE, CONFIGURE, STANDBY)
    restart = {"settings": shaped.SETTINGS | {"wal_level": "logical"}, "allow_restart": True}
    cluster = connect(writer["kubeconfig"], "", writer["namespace"], dry_run=True)
    assert {check.name: check for check in cluster.access_checks()}["get secrets"].found == _SECRETS
    cluster.close()
    used = {}
    for number in ("01", "02", "03", "04", "05"):
        with recorded(monkeypatch) as used[number], performed(number, writer | restart):
            pass
    reader = account(OBSERVE)
    with recorded(monkeypatch) as planning:
        for number in ("04", "05"):
            with performed(number, reader | {"dry_run": "true"}):
                pass
    observing = reading | planning | used["01"] | used["04"] | used["05"]
    assert observing <= granted([OBSERVE])
    assert used["02"] <= granted([OBSERVE, CONFIGURE])
    assert used["03"] <= granted([OBSERVE, STANDBY])
    assert granted([OBSERVE]) - observing - used["02"] - used["03"] <= ELSEWHERE
    assert granted([CONFIGURE]) - used["02"] <= ELSEWHERE
    assert granted([STANDBY]) - used["03"] <= ELSEWHERE
