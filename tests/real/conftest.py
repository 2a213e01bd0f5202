"""Each case gets a namespace of its own on the cluster of PGNB_REAL_KUBECONFIG, deleted at its end."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real.place import Place, made_place
from tests.real.settings import KUBECONFIG, MAY_MARK_NODES

_NO_CLUSTER = "PGNB_REAL_KUBECONFIG names no kubeconfig of a cluster to try things on"
_PLACE = pytest.StashKey[Place]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long, and skipped where no cluster is named."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.long)
            item.add_marker(pytest.mark.timeout(3600))
            item.add_marker(pytest.mark.skipif(not KUBECONFIG, reason=_NO_CLUSTER))


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A namespace for one case."""
    with made_place(tmp_path) as made:
        request.node.stash[_PLACE] = made
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: Any
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A case that fails reports what the cluster said while its namespace is still there."""
    report = yield
    if report.failed and call.when == "call" and (made := item.stash.get(_PLACE, None)):
        report.sections.append(("what the cluster said", made.state()))
    return report


@pytest.fixture
def marked_nodes() -> None:
    """For a case that labels or taints nodes."""
    if not MAY_MARK_NODES:
        pytest.skip("PGNB_REAL_MAY_MARK_NODES is not 1: this case labels or taints every node for a minute")
