"""A sidecar that ignores SIGTERM does not prolong the time without service, on either kind of workload."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from failover_stage import PRIMARY, Family, carry_out, open_family
from watcher import Watcher

from pgnb.physical.failover import plan_switchover

GRACE = 20
_DEAF = "trap '' TERM INT; while :; do sleep 1; done"


def with_sidecar(obj: dict[str, Any]) -> None:
    """Add a second container that only SIGKILL ends, although its image's stop signal is SIGINT."""
    if "template" in obj.get("spec", {}):
        spec = obj["spec"]["template"]["spec"]
        image = spec["containers"][0]["image"]
        spec["containers"].append({"name": "deaf", "image": image, "command": ["sh", "-c", _DEAF]})
        spec["terminationGracePeriodSeconds"] = GRACE


pytestmark = pytest.mark.long


@pytest.fixture(params=["deployment", "statefulset"])
def pair_of_servers(
    request: pytest.FixtureRequest, namespace: str, kubeconfig: Path, start_server: Callable[..., Any]
) -> Any:
    start_server(namespace, PRIMARY, kind=request.param, patch=with_sidecar)
    made = open_family(kubeconfig, namespace)
    made.add("replica-a")
    yield made
    made.primary.close()
    made.cluster.close()


def test_the_role_goes_over_long_before_the_sidecar_ends(pair_of_servers: Family):
    family = pair_of_servers
    role_change = family.roles("switchover")
    change = plan_switchover(role_change)
    watcher = Watcher.of(family.kubeconfig, family.cluster.namespace, PRIMARY, "replica-a")
    with watcher:
        carry_out(change, allow_promotion=True)
    assert not watcher.both_writable
    assert watcher.writable_ever == {PRIMARY, "replica-a"}
    assert role_change.progress.ended, "the fence waited for the whole pod"
    assert not family.cluster.pods(f"app={PRIMARY}")
    (last,) = [e for e in family.cluster.journal.entries if "see its pod gone" in e.what]
    assert last.result == "gone"
