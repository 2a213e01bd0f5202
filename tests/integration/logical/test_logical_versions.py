"""The set-up between different major versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from logical_pair import Pair, start_pair

from pgnb.core.wait import wait_until
from pgnb.diagnosis.logical import diagnose_logical
from pgnb.logical.arrival import wait_applied
from pgnb.logical.capacity import worker_settings
from pgnb.logical.markers import verify_marker_rows
from pgnb.logical.preflight import logical_preflight
from pgnb.logical.row_comparison import compare_published
from pgnb.logical.specs import Specs
from pgnb.logical.status import logical_status
from pgnb.logical.targets import PARTS_SINCE
from pgnb_rehearsal.client import Client
from tests.versions import majors

pytestmark = pytest.mark.long

OLD, *BETWEEN, NEW = majors() if len(majors()) > 1 else majors() * 2
WAYS = tuple(dict.fromkeys([(OLD, NEW), (NEW, OLD), *((major, major) for major in BETWEEN)]))
"""From the oldest version to the newest and back, and each between with its like."""


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: f"{way[0]}-to-{way[1]}")
def mixed(
    request: pytest.FixtureRequest, api: Client, kubeconfig: Path, start_postgres: Callable[..., Any]
) -> Iterator[Pair]:
    """A publisher of one version, a subscriber of another or the same."""
    here, there = request.param
    namespace = f"versions-{here}-{there}"
    api.create("/api/v1/namespaces", {"metadata": {"name": namespace, "labels": {"pgnb/practice": "true"}}})
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    wait_until("the service account", lambda: api.find(account), timeout=60)
    made = start_pair(
        str(kubeconfig), namespace, start_postgres, images=(f"postgres:{here}", f"postgres:{there}")
    )
    yield made
    made.close()
    api.request("DELETE", f"/api/v1/namespaces/{namespace}")


@pytest.fixture(scope="module")
def specs(mixed: Pair) -> Specs:
    """A database that is replicated; with a row filter, where both versions have those."""
    mixed.make_database(
        "mixed",
        "CREATE TABLE kept (id int PRIMARY KEY, b text)",
        "CREATE TABLE nokey (a int)",
        "INSERT INTO kept SELECT n, 'x' FROM generate_series(1, 1000) n",
    )
    desired = {"table": "kept", "where": "id > 500"} if _filters(mixed) else "kept"
    specs = mixed.specs("mixed", mixed=["nokey", desired])
    assert logical_preflight(mixed.publisher, mixed.subscriber, specs).ok
    mixed.set_up(specs)
    return specs


def _filters(pair: Pair) -> bool:
    return min(pair.publisher.facts.major, pair.subscriber.facts.major) >= PARTS_SINCE


def test_rows_go_from_one_version_to_another(mixed: Pair, specs: Specs) -> None:
    verify_marker_rows(mixed.publisher, mixed.subscriber, specs, timeout=30)
    mixed.publisher.execute("UPDATE kept SET b = 'y' WHERE id = 900", database="mixed")
    wait_applied(mixed.publisher, mixed.subscriber, specs, timeout=30)
    rows = compare_published(mixed.publisher, mixed.subscriber, specs)
    expected = 500 if _filters(mixed) else 1000
    assert {(t.name, t.standby) for t in rows.tables} >= {("kept", expected), ("nokey", 0)}
    assert not rows.different, rows
    assert logical_status(mixed.publisher, mixed.subscriber, specs).of("mixed").state == "streaming"
    assert not any(list(mixed.plans(specs)))


def test_a_conflict_is_told_in_the_words_of_the_version(mixed: Pair, specs: Specs) -> None:
    mixed.subscriber.execute("INSERT INTO kept VALUES (2000, 'local')", database="mixed")
    mixed.publisher.execute("INSERT INTO kept VALUES (2000, 'remote')", database="mixed")
    seen = wait_until(
        "the conflict",
        lambda: diagnose_logical(mixed.publisher, mixed.subscriber, specs, patience=2, show_rows=True),
        lambda found: "conflict" in found.kinds,
        timeout=60,
    )
    finding = seen.find("conflict")
    assert finding is not None
    assert finding.subject == "public.kept"
    assert [word for word in ("local", "remote") if word not in "\n".join(finding.evidence)] == []
    skippable = mixed.subscriber.facts.major >= 15
    assert (finding.lsn is not None, finding.remedy_id) == (bool(skippable), "")
    assert ("remedy = 'skip'" in finding.remedy) == bool(skippable)
    mixed.subscriber.execute("DELETE FROM kept WHERE id = 2000", database="mixed")
    wait_applied(mixed.publisher, mixed.subscriber, specs, timeout=30)
    assert not compare_published(mixed.publisher, mixed.subscriber, specs).different


def test_the_setting_for_origins_is_that_of_the_version(mixed: Pair) -> None:
    needs = worker_settings(mixed.publisher, mixed.subscriber, mixed.specs("postgres"))
    new = mixed.subscriber.facts.major >= 18
    assert ("max_active_replication_origins" in needs.subscriber) == new
