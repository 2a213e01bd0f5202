"""pods/portforward: every recorded socket of a real API server, played again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conformance.replay import recording, steady
from tests.integration.conformance.stage import (
    IMAGE,
    Stage,
    recorded_frames,
    staged,
    steady_text,
    streams,
)

_RECORDED = recording("portforward")


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A server that asks for no TLS, as the recorded one."""
    for stage in staged(request):
        container = {
            "name": "postgres",
            "image": IMAGE,
            "env": [{"name": "POSTGRES_PASSWORD", "value": "recorded-example"}],
            "readinessProbe": {"exec": {"command": ["pg_isready", "-h", "127.0.0.1"]}, "periodSeconds": 1},
        }
        stage.create_pod("postgres-primary", {"containers": [container]})
        stage.until_ready("postgres-primary")
        yield stage


@pytest.mark.parametrize(
    "entry", [entry for entry in _RECORDED if "frames" in entry], ids=lambda entry: entry["what"]
)
def test_a_recorded_session(stage: Stage, entry: dict[str, Any]) -> None:
    agreed, frames = stage.play(entry)
    recorded = recorded_frames(entry)
    assert agreed == entry["agreed"]
    ports = 2 * entry["path"].count("ports=")
    assert frames[:ports] == recorded[:ports]
    assert (frames[-1].code, frames[-1].silent) == (recorded[-1].code, recorded[-1].silent)
    found, wanted = streams(frames[ports:]), streams(recorded[ports:])
    assert {channel: steady_text(data.decode()) for channel, data in found.items()} == {
        channel: steady_text(data.decode()) for channel, data in wanted.items()
    }


@pytest.mark.parametrize(
    "entry", [entry for entry in _RECORDED if "refused" in entry], ids=lambda entry: entry["what"]
)
def test_a_recorded_refusal(stage: Stage, entry: dict[str, Any]) -> None:
    answer = stage.refused(entry)
    assert answer.status == entry["refused"]["status"]
    if "body" in entry["refused"]:
        assert steady(answer.body) == steady(stage.translated(entry["refused"]["body"]))


def test_the_socket_closes_when_the_server_does(stage: Stage) -> None:
    socket = stage.connect(stage.path("pods/postgres-primary/portforward?ports=5432"), ["v4.channel.k8s.io"])
    socket.send_binary(b"\0" + (8).to_bytes(4, "big") + (123456).to_bytes(4, "big"))  # no such protocol
    while True:
        opcode, data = socket.recv_data()
        if opcode == 8:
            assert int.from_bytes(data[:2], "big") == 1000
            return
