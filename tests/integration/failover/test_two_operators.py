"""Two people at once on one database: a switchover that fails starts no old primary beside a new one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from failover_stage import PRIMARY, Family, carry_out
from watcher import Watcher

from pgnb.core.errors import ChangeFailed, DeadlineExceeded
from pgnb.physical.failover import (
    estimate_loss,
    plan_fence,
    plan_promotion,
    plan_service,
    plan_switchover,
)
from pgnb.physical.failover.switchover import Switchover


def _hang(monkeypatch: pytest.MonkeyPatch, where: str, meanwhile: Callable[[], None]) -> None:
    """The other operator acts while the switchover waits; then the wait fails."""

    def late(_: Switchover) -> str:
        meanwhile()
        raise DeadlineExceeded("the last checkpoint to be replayed: not within 30 s")

    monkeypatch.setattr(Switchover, where, late)


def _fail_over(family: Family) -> None:
    """Run the other operator's 09 with operation = failover, everything allowed."""
    role_change = family.other().roles("failover")
    carry_out(plan_fence(role_change), allow_promotion=True, fence_answering_primary=PRIMARY)
    loss = estimate_loss(role_change)
    carry_out(plan_promotion(role_change, loss), allow_promotion=True, accept_loss=True)
    carry_out(plan_service(role_change))


def _promote_by_hand(family: Family) -> None:
    family.other().server("replica-a").execute("SELECT pg_promote(true, 60)")


@pytest.mark.parametrize(
    ("where", "meanwhile"),
    [
        pytest.param("_assert_covered", _fail_over, id="a failover while it waits for the last checkpoint"),
        pytest.param(
            "_assert_covered",
            _promote_by_hand,
            id="a promotion by hand while it is fenced",
            marks=pytest.mark.long,
        ),
        pytest.param(
            "last_lsn",
            _promote_by_hand,
            id="a promotion by hand while writes are stopped",
            marks=pytest.mark.long,
        ),
    ],
)
def test_a_switchover_that_fails_starts_no_second_primary(
    family: Family, monkeypatch: pytest.MonkeyPatch, where: str, meanwhile: Callable[[Family], None]
):
    _hang(monkeypatch, where, lambda: meanwhile(family))
    change = plan_switchover(family.roles("switchover"))
    change.grant(allow_promotion=True)
    watcher = Watcher.of(family.kubeconfig, family.cluster.namespace, PRIMARY, "replica-a")
    with watcher, pytest.raises(ChangeFailed) as failure:
        change.apply()
    assert not watcher.both_writable
    assert watcher.writable_ever == {PRIMARY, "replica-a"}
    assert "stays as it is" in failure.value.remedy
    assert "-p operation failover" in failure.value.remedy
