"""An object is changed only while it is what was seen, but for a status and for this run's own changes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pgnb.cluster.unchanged import as_seen, assert_as_seen, remember
from pgnb.core.errors import Conflict


def _deployment(
    version: str, *, replicas: int = 1, ready: int = 1, uid: str = "u", **marks: str
) -> dict[str, Any]:
    meta = {"name": "db", "uid": uid, "resourceVersion": version, "annotations": marks}
    return {
        "kind": "Deployment",
        "metadata": meta,
        "spec": {"replicas": replicas},
        "status": {"ready": ready},
    }


class _Server:
    """An API server with one object, which may move on between a read and a change."""

    namespace = "db"

    def __init__(self, *states: dict[str, Any]) -> None:
        self.states = list(states)
        self.own: dict[str, Any] = {}
        self.sent: list[str] = []

    def call(self, *_: Any) -> dict[str, Any]:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def send(self, version: str) -> dict[str, Any]:
        self.sent.append(version)
        if version != self.states[0]["metadata"]["resourceVersion"]:
            raise Conflict("the object has been modified")
        return {**self.states[0], "spec": {"replicas": 0}}


def test_a_status_that_moves_is_no_conflict_and_the_newest_version_is_sent():
    server: Any = _Server(_deployment("7"), _deployment("8", ready=0), _deployment("9", ready=1))
    as_seen(server, _deployment("5"), server.send)
    assert server.sent == ["7", "8", "9"]


def test_a_controllers_revision_is_no_conflict():
    revised = _deployment("7", **{"deployment.kubernetes.io/revision": "4"})
    assert_as_seen(SimpleNamespace(own={}), "deployment/db", _deployment("5"), revised)


@pytest.mark.parametrize(
    ("now", "found"),
    [
        (_deployment("7", replicas=2), "spec.replicas: 1 then, 2 now"),
        (_deployment("7", owner="other"), "metadata.annotations"),
        (_deployment("7", uid="other"), "another object of that name"),
    ],
)
def test_what_somebody_else_changed_is_told_and_nothing_is_sent(now, found):
    server: Any = _Server(now)
    with pytest.raises(Conflict, match="changed by somebody else") as conflict:
        as_seen(server, _deployment("5"), server.send)
    assert found in conflict.value.found
    assert not server.sent


def test_this_runs_own_change_may_be_changed_again():
    server: Any = _Server(_deployment("7", replicas=0))
    remember(server, _deployment("6", replicas=0))
    as_seen(server, _deployment("5"), server.send)
    assert server.sent == ["7"]
