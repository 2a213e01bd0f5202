"""The notebooks 06 to 11 with the rights of pgnb/manifests/rbac.yaml: enough for each, and none unused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shaped
from cells import performed
from restricted import Right, granted, kubeconfig_of_account, recorded

from pgnb.core.errors import GateClosed
from pgnb_rehearsal.client import Client

pytestmark = pytest.mark.long

OBSERVE, ONLINE, FAILOVER = "pgnb-observe", "pgnb-online", "pgnb-failover"
STANDBY = "postgres-async-replica"
NAMES = {"postgres-primary": "seventeen", "postgres-primary-config": "seventeen-conf"}
# On both servers, the standby first: a restart of each, and a client that measures the primary's.
RESTART = {
    "allow_restart": True,
    "settings": {"wal_keep_size": "80MB", "max_wal_senders": "12"},
    "standby_settings": {"max_wal_senders": "12"},
}
# The role goes back, so that each workload is the old primary once.
BACK = {"primary": STANDBY, "standby_selector": "app=seventeen", "slot": "back", "application_name": "back"}
ELSEWHERE = {("patch", "statefulsets"), ("create", "leases")}  # Run by Deployments; their Lease is there.
Account = Callable[..., dict[str, Any]]


@pytest.fixture
def account(place: Callable[..., Any], kubeconfig: Path, tmp_path: Path, api: Client) -> Account:
    """`account(roles…)`: the parameters for an account with these roles, of a primary with its standby."""
    there = place(shaped.seventeen())
    given = there.parameters | {
        "primary": "seventeen",
        "primary_config_map": "seventeen-conf",
        "monitor_seconds": 0.5,
        "monitor_interval": 0.1,
        "rate_seconds": 0.2,
        "past_records": str(tmp_path),
    }
    for number in ("02", "03"):
        with performed(number, given):
            pass

    def restrict(*roles: str) -> dict[str, Any]:
        path = tmp_path / "-".join(roles)
        kubeconfig_of_account(there.cluster, api, kubeconfig, path, roles, NAMES)
        return given | {"kubeconfig": str(path)}

    return restrict


def test_each_notebook_has_the_rights_that_it_needs_and_no_other(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = account(OBSERVE)
    observing = _used(monkeypatch, reader | {"dry_run": "true"}, "06", "07", "08", "09", "10", "11")
    observing |= _used(monkeypatch, reader, "08", "10", "11")
    assert observing <= granted([OBSERVE])
    assert ("list", "cronjobs") in observing
    with pytest.raises(GateClosed, match="before anything was changed") as stopped:
        _used(monkeypatch, reader, "06")
    assert "patch configmaps" in stopped.value.found
    changing = _used(monkeypatch, account(OBSERVE, ONLINE) | RESTART, "06", "07")
    assert changing <= granted([OBSERVE, ONLINE])
    assert granted([ONLINE]) - changing <= ELSEWHERE
    with pytest.raises(GateClosed, match="before anything was changed") as stopped:
        _used(monkeypatch, account(OBSERVE, ONLINE) | {"allow_promotion": True}, "09")
    assert "services" in stopped.value.found
    promoter = account(OBSERVE, FAILOVER) | {"allow_promotion": True}
    promoting = _used(monkeypatch, promoter, "09") | _used(monkeypatch, promoter | BACK, "09")
    assert promoting <= granted([OBSERVE, FAILOVER])
    assert granted([FAILOVER]) - promoting <= ELSEWHERE


def _used(monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], *numbers: str) -> set[Right]:
    """The rights that the notebooks take, one after the other."""
    with recorded(monkeypatch) as used:
        for number in numbers:
            with performed(number, given):
                pass
    return used
