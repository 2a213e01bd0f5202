"""One run at a time on one database: the Lease as two processes see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgnb.cluster import Cluster, connect, leases
from pgnb.cluster.leases import HeldLease, read_lease, take_lease
from pgnb.core.errors import LeaseHeld, LeaseLost
from pgnb.core.wait import wait_until

NAME = "pgnb-7300000000000000001"


@pytest.fixture
def here(kubeconfig: Path, namespace: str) -> Cluster:
    return connect(str(kubeconfig), "", namespace, dry_run=False)


@pytest.fixture
def there(kubeconfig: Path, namespace: str) -> Cluster:
    return connect(str(kubeconfig), "", namespace, dry_run=False)


def _elsewhere(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> HeldLease:
    """As a process of another machine takes it, of which nobody here can know whether it lives."""
    with monkeypatch.context() as other:
        other.setattr(leases, "this_process", lambda: "boot/pid:[1]/0/1-1")
        other.setattr(leases, "this_run", lambda: "ada@other, PID 1")
        other.setattr(leases, "_OWN", {})
        return take_lease(cluster.api, NAME, notebook="09", user="ada@example.com")


def _holder(cluster: Cluster) -> str:
    record = read_lease(cluster.api, NAME)
    assert record is not None
    return record.holder


def test_a_held_lease_is_refused_with_its_holders_name_and_free_at_once_when_released(
    here: Cluster, there: Cluster, monkeypatch: pytest.MonkeyPatch
):
    held = _elsewhere(monkeypatch, there)
    with pytest.raises(LeaseHeld) as refused:
        take_lease(here.api, NAME, notebook="03", user="me")
    assert "ada@" in refused.value.found and "notebook 09" in refused.value.found
    assert "ada@example.com" in refused.value.found
    assert "break_lease = 'ada@" in refused.value.remedy
    held.release()
    assert take_lease(here.api, NAME, notebook="03", user="me").holder
    here.journal.finished()
    record = read_lease(here.api, NAME)
    assert record is not None and not record.holder


def test_a_cell_that_runs_again_takes_its_own_lease_again(here: Cluster, there: Cluster):
    first = take_lease(here.api, NAME, notebook="03", user="me")
    second = take_lease(there.api, NAME, notebook="03", user="me")
    second.assert_held()
    with pytest.raises(LeaseLost, match="lost"):
        first.assert_held()
    second.release()


def test_a_run_that_lost_its_lease_changes_nothing_more(here: Cluster, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(leases, "_EVERY", 0.1)
    held = take_lease(here.api, NAME, notebook="09", user="me")
    before = read_lease(here.api, NAME)
    wait_until("a renewal", lambda: read_lease(here.api, NAME), lambda now: now != before, timeout=10)
    with here.journal.act("something", "a change while it is held"):
        pass
    marks = {"metadata": {"annotations": {"pgnb/process": "elsewhere/1-1"}}}
    path = f"/apis/coordination.k8s.io/v1/namespaces/{here.namespace}/leases/{NAME}"
    body = {**marks, "spec": {"holderIdentity": "ada@other, PID 1"}}
    here.api.call("PATCH", path, body=body, content_type="application/merge-patch+json")

    def lost() -> str:
        try:
            held.assert_held()
        except LeaseLost as error:
            return error.found
        return ""

    assert "ada@other" in wait_until("the loss to be noticed", lost, timeout=10)
    with pytest.raises(LeaseLost):
        here.patch("configmaps", "any", {}, "a change")
    assert [entry.what for entry in here.journal.entries] == ["a change while it is held"]
    held.release()
    assert read_lease(here.api, NAME).holder == "ada@other, PID 1"


def test_a_run_that_could_not_renew_in_time_changes_nothing_more(
    here: Cluster, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(leases, "_DEADLINE", 0.0)
    held = take_lease(here.api, NAME, notebook="09", user="me")
    with pytest.raises(LeaseLost, match="it changes nothing more") as lost:
        here.patch("configmaps", "any", {}, "a change")
    assert "could not be renewed" in lost.value.found
    held.release()


def test_only_an_expired_lease_is_broken_and_only_by_its_holders_name(
    here: Cluster, there: Cluster, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(leases, "DURATION", 2)
    monkeypatch.setattr(leases, "_EVERY", 0.2)
    held = _elsewhere(monkeypatch, there)
    with pytest.raises(LeaseHeld, match="is alive"):
        take_lease(here.api, NAME, notebook="09", user="me", break_lease=_holder(here))
    held.retire()  # It hangs: no renewal any more.
    with pytest.raises(LeaseHeld, match="somebody else"):
        take_lease(here.api, NAME, notebook="09", user="me", break_lease="somebody")
    mine = take_lease(here.api, NAME, notebook="09", user="me", break_lease=_holder(here))
    mine.assert_held()
    with pytest.raises(LeaseLost):
        held.assert_held()
    mine.release()


def test_a_lease_whose_process_is_dead_is_free(here: Cluster, there: Cluster, monkeypatch):
    held = _elsewhere(monkeypatch, there)
    monkeypatch.setattr(leases, "has_died", lambda process: process == "boot/pid:[1]/0/1-1")
    take_lease(here.api, NAME, notebook="09", user="me").release()
    held.retire()


def test_a_plan_takes_none(kubeconfig: Path, namespace: str):
    planning = connect(str(kubeconfig), "", namespace, dry_run=True)
    assert read_lease(planning.api, NAME) is None
