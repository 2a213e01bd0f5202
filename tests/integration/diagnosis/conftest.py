"""A pair of servers for the tests of one module, on the session's rehearsal cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from diagnosis_pair import NAME, PASSWORD, DiagnosisPair, make_standby, quick

from pgnb.cluster import connect
from pgnb.postgres import find_server


@pytest.fixture(scope="module")
def pair(
    image: str,
    kubeconfig: Path,
    module_namespace: str,
    start_postgres: Callable[..., Any],
) -> Iterator[DiagnosisPair]:
    """A primary and the standby that streams from it through its slot."""
    start_postgres(module_namespace, "primary", image=image)
    cluster = connect(str(kubeconfig), "", module_namespace, dry_run=False)
    primary = find_server(cluster, "app=primary", password=PASSWORD)
    make_standby(primary)
    standby = find_server(cluster, f"app={NAME}", password=PASSWORD)
    quick(standby)
    yield DiagnosisPair(cluster, primary, standby)
    standby.close()
    primary.close()
    cluster.close()
