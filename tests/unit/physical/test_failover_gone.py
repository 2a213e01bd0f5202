"""The end of a change of roles: the run waits for the old primary's pods, and a failure undoes nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pgnb.core.errors import ApiUnreachable
from pgnb.physical.failover import fence
from pgnb.physical.failover.fence import wait_gone


def away() -> Any:
    raise ApiUnreachable("no answer from the API server")


def no_pods() -> tuple[()]:
    return ()


@pytest.mark.parametrize(
    ("pods", "again", "words"),
    [
        (no_pods, lambda: SimpleNamespace(replicas=0), "gone"),
        (no_pods, lambda: SimpleNamespace(replicas=1), "SCALED BACK to 1 by somebody else"),
        (away, away, "not seen: no answer from the API server"),
        (no_pods, away, "not seen: no answer from the API server"),
    ],
)
def test_what_can_not_be_seen_is_said(pods, again, words) -> None:
    role_change: Any = SimpleNamespace(old=SimpleNamespace(name="deployment/db", pods=pods, reload=again))
    assert wait_gone(role_change) == words


def test_the_api_server_that_is_away_at_the_deadline_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fence, "_time_to_end", lambda _: 0.3)
    role_change: Any = SimpleNamespace(old=SimpleNamespace(name="deployment/db", pods=away))
    assert wait_gone(role_change) == "not seen: no answer from the API server"
