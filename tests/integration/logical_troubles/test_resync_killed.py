"""An interrupted resync: what is found then, what is refused, and how it continues."""

from __future__ import annotations

import pytest
from trouble_stage import Stage, carry_out

from pgnb.core.errors import GateClosed
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.subscriptions import plan_subscriptions

pytestmark = pytest.mark.long


def begun(stage: Stage, database: str, steps: int) -> DatabaseSpec:
    """Begin a resync of the table t, interrupted after so many steps."""
    spec = stage.replicated(database)
    for step in stage.remedy(spec, "resync", "t").steps[:steps]:
        step.run()
    return spec


@pytest.mark.parametrize("steps", [3, 4], ids=["removed", "emptied"])
def test_a_table_that_is_out_is_found_and_no_other_is_touched_until_it_is_back(
    steps: int, stage: Stage
) -> None:
    spec = begun(stage, f"out {steps}", steps)
    finding = stage.diagnose(spec).find("resync-unfinished")
    assert (finding.subject, finding.remedy_id) == ("public.t", "resync")
    assert not stage.remedy(spec, "refresh")
    with pytest.raises(GateClosed, match="the resync of another table has not finished"):
        stage.remedy(spec, "resync", "u")
    with pytest.raises(GateClosed, match="the resync of a table has not finished"):
        plan_subscriptions(stage.publisher, stage.subscriber, [spec], stage.origin)
    stage.publisher.execute("INSERT INTO t VALUES (40, 'meanwhile')", database=spec.database)
    carry_out(stage.remedy(spec, "resync", "t"), confirm_remedy="public.t")
    assert_whole(stage, spec)


@pytest.mark.parametrize("steps", [1, 5], ids=["before it was removed", "added again, and being copied"])
def test_a_temporary_publication_is_dropped_by_the_next_run(steps: int, stage: Stage) -> None:
    spec = begun(stage, f"in {steps}", steps)
    carry_out(stage.remedy(spec, "resync", "t"), confirm_remedy="public.t")
    assert_whole(stage, spec)


def assert_whole(stage: Stage, spec: DatabaseSpec) -> None:
    assert stage.same(spec, "t")
    assert stage.same(spec, "u")
    assert stage.diagnose(spec).kinds == frozenset()
    query = "SELECT pubname FROM pg_publication"
    assert stage.publisher.query(query, database=spec.database) == [{"pubname": spec.publication}]
