"""Without its permission no path of section 9 changes anything; a primary that answers must be named."""

from __future__ import annotations

import pytest
from failover_stage import PRIMARY, Family

from pgnb.checks import gate
from pgnb.errors import GateClosed
from pgnb.operate.failover import path_checks, plan_fence

_NOTHING = {"allow_promotion": False, "allow_rejoin": False}


def test_a_healthy_primary_is_not_fenced_without_permission_and_without_its_name(kept: Family):
    for path in ("switchover", "failover", "rejoin"):
        with pytest.raises(GateClosed) as closed:
            gate(path_checks(kept.roles(path), **_NOTHING))
        assert "confirmed by allow_" in closed.value.found
    before = len(kept.cluster.journal.entries)
    for granted, lacking in (
        ({}, "allow_promotion"),
        ({"allow_promotion": True}, "fence_answering_primary"),
        ({"fence_answering_primary": PRIMARY}, "allow_promotion"),
    ):
        fence = plan_fence(kept.roles("failover"))
        fence.grant(**granted)
        with pytest.raises(GateClosed, match="not confirmed") as closed:
            fence.apply()
        assert lacking in closed.value.found
    assert len(kept.cluster.journal.entries) == before
    kept.primary.execute("CREATE TABLE still_mine (n int)")
    assert kept.cluster.find_workload("Deployment", PRIMARY).replicas == 1
