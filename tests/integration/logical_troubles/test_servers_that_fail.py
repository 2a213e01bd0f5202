"""Problems of a whole server: too few workers on the subscriber, a dead publisher."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from trouble_stage import Stage, carry_out, start_stage

from pgnb.core.errors import GateClosed
from pgnb.core.plan import gate
from pgnb.logical.remedies import pending_workers
from pgnb.postgres.config.configure import plan_settings
from pgnb.postgres.config.restart import plan_pending_restart

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def small(kubeconfig: Path, module_namespace: str, start_postgres: Callable[..., Any]) -> Iterator[Stage]:
    """A subscriber with the settings of the image, which then gets two workers."""
    made = start_stage(str(kubeconfig), module_namespace, start_postgres)
    yield made
    made.close()


def restart(stage: Stage, wanted: dict[str, int]) -> None:
    change = plan_pending_restart(stage.subscriber, wanted, allow=True)
    gate(change, allow_restart=True)
    change.apply()


def test_too_few_workers_are_told_from_a_copy_that_waits_and_given(small: Stage) -> None:
    first, second = small.replicated("first"), small.replicated("second")
    few = {"max_logical_replication_workers": 2}
    carry_out(plan_settings(small.subscriber, few, write_restart=True))
    restart(small, few)
    for server in (small.subscriber, small.publisher):
        server.execute("CREATE TABLE waiting (id integer PRIMARY KEY)", database="first")
    small.subscriber.execute(f"ALTER SUBSCRIPTION {first.subscription} REFRESH PUBLICATION", database="first")
    finding = small.find(first, "too-few-workers")
    assert "public.waiting" in "\n".join(finding.evidence)
    assert "2 of max_logical_replication_workers = 2 run" in finding.cause
    change = small.remedy(first, "workers")
    with pytest.raises(GateClosed, match="confirm_remedy"):
        gate(change, confirm_remedy="yes")
    assert pending_workers(small.subscriber) == {}
    carry_out(change, confirm_remedy="max_logical_replication_workers")
    wanted = pending_workers(small.subscriber)
    assert wanted["max_logical_replication_workers"] == 4
    restart(small, wanted)
    small.wait_ready(first)
    assert small.same(first, "waiting")
    assert small.diagnose(first, second).kinds == frozenset()
    assert not small.remedy(first, "workers")


def test_a_publisher_that_is_gone_is_a_finding_and_ends_with_it(small: Stage) -> None:
    spec = small.existing("first")
    workload = small.cluster.find_workload("Deployment", "postgres-primary")
    small.cluster.scale_and_wait(workload, 0)
    finding = small.find(spec, "dead-connection", patience=60)
    assert small.diagnose(spec).kinds == {"dead-connection"}
    assert "postgres-primary" in "\n".join(finding.evidence)
    small.cluster.scale_and_wait(workload, 1)
    small.publisher.reopen()
    small.publisher.execute("INSERT INTO t VALUES (80, 'after')", database="first")
    assert small.same(spec, "t")
    assert small.diagnose(spec).kinds == frozenset()
