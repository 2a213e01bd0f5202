"""pods/log: every recorded request to a real API server, sent again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conformance.replay import exchanges, steady
from tests.integration.conformance.stage import IMAGE, Stage, staged

_RECORDED = exchanges("logs")
_READY = """awk 'NR == 6 && $1 != "" { tcp = 1 } NR == 8 && $1 == "ready" { ready = 1 }
    END { exit !(tcp && ready) }' "$PGDATA/postmaster.pid\""""
"""By the server's lock file: a probe that connects while the server starts adds a FATAL line to its log."""
_LINE = re.compile(r"^\S+ \S+ UTC \[\d+\] LOG:  ")


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    for stage in staged(request):
        container = {
            "name": "postgres",
            "image": IMAGE,
            "env": [{"name": "POSTGRES_PASSWORD", "value": "recorded-example"}],
            "readinessProbe": {"exec": {"command": ["sh", "-c", _READY]}, "periodSeconds": 1},
        }
        stage.create_pod("postgres-primary", {"containers": [container]})
        stage.until_ready("postgres-primary")
        yield stage


def _asked(stage: Stage, what: str) -> tuple[Any, dict[str, Any]]:
    entry = stage.translated(_RECORDED[what])
    answer = stage.api.call("GET", entry["request"]["path"])
    assert answer.status == entry["response"]["status"]
    wanted = entry["response"]["headers"].get("Content-Type")
    assert answer.headers["content-type"].split(";")[0] == wanted
    return answer.body, entry["response"]


@pytest.mark.parametrize(
    "what", ["container that is not there", "previous, none", "bad number", "pod that is not there"]
)
def test_a_recorded_refusal(stage: Stage, what: str) -> None:
    body, recorded = _asked(stage, what)
    assert steady(body) == steady(recorded["body"])


def test_last_lines(stage: Stage) -> None:
    body, recorded = _asked(stage, "last lines")
    found, wanted = body.splitlines(), recorded["body"].splitlines()
    assert len(found) == len(wanted) == 3
    assert all(_LINE.match(line) for line in found)
    assert found[-1].endswith("database system is ready to accept connections")


def test_timestamps(stage: Stage) -> None:
    body, recorded = _asked(stage, "with timestamps")
    shape = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}Z \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC")
    assert all(shape.match(line) for line in body.splitlines() + recorded["body"].splitlines())
    assert len(body.splitlines()) == 2


def test_limit_of_bytes(stage: Stage) -> None:
    body, recorded = _asked(stage, "limit of bytes")
    assert body == recorded["body"]


def test_nothing_new(stage: Stage) -> None:
    def quiet() -> bool:
        return stage.api.call("GET", stage.path("pods/postgres-primary/log?sinceSeconds=1")).body == ""

    stage.until(quiet, "a second without a line")
    body, recorded = _asked(stage, "since the future")
    assert body == recorded["body"] == ""
