"""Pods that start late, and nodes that do not take every pod (A12, B7, C13)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.real.place import FAILED, STOPPED_LATER, Place
from tests.real.servers import PRIMARY, STANDBY, on_nodes, plain, slow_to_start, together, tolerating

DELAY = 20


def nodes(place: Place) -> list[str]:
    """The names of the cluster's nodes."""
    return [node["metadata"]["name"] for node in place.cluster.list("nodes")]


@contextmanager
def labelled(place: Place, label: str) -> Iterator[None]:
    """All nodes with a label."""
    mark(place, label, "yes")
    try:
        yield
    finally:
        mark(place, label, None)


def mark(place: Place, label: str, value: str | None) -> None:
    """Give all nodes a label, or take it away."""
    for name in nodes(place):
        body = {"metadata": {"labels": {label: value}}}
        place.cluster.patch("nodes", name, body, f"label {label}={value}")


@contextmanager
def tainted(place: Place, key: str) -> Iterator[None]:
    """All nodes with a taint that keeps other pods away; what runs stays."""
    before = {node["metadata"]["name"]: node["spec"].get("taints") for node in place.cluster.list("nodes")}
    try:
        for name, taints in before.items():
            more = [*(taints or []), {"key": key, "value": "yes", "effect": "NoSchedule"}]
            place.cluster.patch("nodes", name, {"spec": {"taints": more}}, f"taint {key}")
        yield
    finally:
        for name, taints in before.items():
            place.cluster.patch("nodes", name, {"spec": {"taints": taints}}, f"take the taint {key} away")


def test_a_standby_that_starts_slowly_has_a_limit_of_its_own(place: Place) -> None:
    """The copy is kept when the limit is too short, and the next run goes on with it."""
    place.start_primary(plain)
    place.start(STANDBY, slow_to_start(DELAY))
    place.passes("02")
    place.stops(
        "03",
        f"1 Ready pods of deployment/{STANDBY}: not within",
        status=FAILED,
        start_timeout=DELAY / 4,
        wipe_standby_data=STANDBY,
    )
    place.passes("03", "04", wipe_standby_data=STANDBY)


def test_a_node_that_comes_late_is_waited_for(place: Place, marked_nodes: None) -> None:
    """As where an autoscaler must add one: no node takes helper or standby before the label is back."""
    label = f"{place.namespace}/node"
    with labelled(place, label):
        place.start_primary(on_nodes(label))
        place.passes("02")
        mark(place, label, None)
        later = threading.Timer(2 * DELAY, mark, (place, label, "yes"))
        later.start()
        try:
            place.passes("03", "04")
        finally:
            later.join()


def test_what_is_made_tolerates_what_the_server_tolerates(place: Place, marked_nodes: None) -> None:
    key = f"{place.namespace}/only"
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "database"}}
    place.cluster.create(account)
    with tainted(place, key):
        place.start_primary(together(tolerating(key), with_account))
        place.passes("02", "03", "04", "12")


def with_account(spec: dict[str, object]) -> None:
    """A service account of the server's own."""
    spec["serviceAccountName"] = "database"


def test_a_server_that_tolerates_nothing_is_told_why_no_node_takes_it(
    place: Place, marked_nodes: None
) -> None:
    key = f"{place.namespace}/only"
    place.start_primary(plain)
    place.passes("02")
    with tainted(place, key):
        place.stops("03", "untolerated taint", "toleration", status=STOPPED_LATER, start_timeout=DELAY)


def test_a_claim_that_waits_for_its_pod_is_bound_by_the_base_backup(place: Place) -> None:
    """On a class with WaitForFirstConsumer and several nodes: the standby may be on another one."""
    place.start_primary(plain)
    claim = place.cluster.get("persistentvolumeclaims", PRIMARY)
    assert claim is not None
    name = claim["spec"].get("storageClassName", "")
    found = place.cluster.get("storageclasses", name)
    mode = found["volumeBindingMode"] if found else "unknown"
    if mode != "WaitForFirstConsumer" or len(nodes(place)) < 2:
        pytest.skip(f"the storage class {name} binds {mode}, on {len(nodes(place))} node(s)")
    place.passes("02", "03", "04")
    assert place.psql(STANDBY, "SELECT status FROM pg_stat_wal_receiver") == "streaming"
