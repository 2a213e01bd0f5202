"""Tables that inherit from each other: what is done to one is not done to the other."""

from __future__ import annotations

import pytest
from logical_pair import Pair

from pgnb.core.plan import gate
from pgnb.logical.remedies.resync import plan_resync
from pgnb.logical.row_comparison import compare_published


@pytest.mark.long
@pytest.mark.parametrize("table", ["child", "parent"])
def test_of_a_parent_and_its_child_each_is_copied_anew_by_itself(pair: Pair, table: str) -> None:
    pair.make_database(
        table,
        "CREATE TABLE parent (id int PRIMARY KEY)",
        "INSERT INTO parent VALUES (3)",
        "CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent)",
        "INSERT INTO child VALUES (1), (2)",
    )
    specs = pair.specs(table)
    pair.set_up(specs)
    change = plan_resync(pair.publisher, pair.subscriber, specs[0], ("public", table))
    gate(change, confirm_remedy=f"public.{table}")
    change.apply()
    assert compare_published(pair.publisher, pair.subscriber, specs).checks(pair.cluster.journal).ok
