"""The set-up between different major versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from logical_pair import Pair, start_pair

from pgnb.logical.arrival import wait_applied
from pgnb.logical.capacity import worker_settings
from pgnb.logical.markers import prove_rows
from pgnb.logical.preflight import logical_preflight
from pgnb.logical.status import logical_status
from pgnb.operate.published import compare_published
from pgnb.rehearsal.client import Client
from pgnb.wait import wait_until

WAYS = {"upwards": ("postgres:15", "postgres:18"), "downwards": ("postgres:18", "postgres:15")}


@pytest.fixture(scope="module", params=WAYS)
def mixed(
    request: pytest.FixtureRequest, api: Client, kubeconfig: Path, start_postgres: Callable[..., Any]
) -> Iterator[Pair]:
    """A publisher of one version, a subscriber of another."""
    namespace = f"versions-{request.param}"
    api.create("/api/v1/namespaces", {"metadata": {"name": namespace, "labels": {"pgnb/practice": "true"}}})
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    wait_until("the service account", lambda: api.find(account), timeout=30)
    made = start_pair(str(kubeconfig), namespace, start_postgres, images=WAYS[request.param])
    yield made
    made.close()
    api.request("DELETE", f"/api/v1/namespaces/{namespace}")


def test_rows_go_from_one_version_to_another(mixed: Pair) -> None:
    mixed.make_database(
        "mixed", "CREATE TABLE kept (id int PRIMARY KEY, b text)", "CREATE TABLE nokey (a int)",
        "INSERT INTO kept SELECT n, 'x' FROM generate_series(1, 1000) n",
    )  # fmt: skip
    specs = mixed.specs("mixed", mixed=["nokey", {"table": "kept", "where": "id > 500"}])
    assert logical_preflight(mixed.publisher, mixed.subscriber, specs).ok
    mixed.set_up(specs)
    prove_rows(mixed.publisher, mixed.subscriber, specs, timeout=30)
    mixed.publisher.execute("UPDATE kept SET b = 'y' WHERE id = 900", database="mixed")
    wait_applied(mixed.publisher, mixed.subscriber, specs, timeout=30)
    rows = compare_published(mixed.publisher, mixed.subscriber, specs)
    assert {(t.name, t.standby) for t in rows.tables} >= {("kept", 500), ("nokey", 0)}
    assert not rows.different, rows
    assert logical_status(mixed.publisher, mixed.subscriber, specs).of("mixed").state == "streaming"
    assert not any(list(mixed.plans(specs)))


def test_the_setting_for_origins_is_that_of_the_version(mixed: Pair) -> None:
    needs = worker_settings(mixed.publisher, mixed.subscriber, mixed.specs("postgres"))
    new = mixed.subscriber.facts.major >= 18
    assert ("max_active_replication_origins" in needs.subscriber) == new
