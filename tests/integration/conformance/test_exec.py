"""pods/exec: every recorded socket of a real API server, played again."""

from __future__ import annotations

import json
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

_OWN = "as whom, where"
_RECORDED = recording("exec")
_PLAYED = [entry for entry in _RECORDED if "frames" in entry and entry["what"] != _OWN]
_REFUSED = [entry for entry in _RECORDED if "refused" in entry]


def _title(entry: dict[str, Any]) -> str:
    return f"{entry['what']}-{entry['offered'][0][:2]}"


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    for stage in staged(request):
        container = {"name": "postgres", "image": IMAGE, "command": ["sleep", "1000"]}
        stage.create_pod("postgres-primary", {"containers": [container], "terminationGracePeriodSeconds": 2})
        stage.until_ready("postgres-primary")
        yield stage


@pytest.mark.parametrize("entry", _PLAYED, ids=_title)
def test_a_recorded_session(stage: Stage, entry: dict[str, Any]) -> None:
    agreed, frames = stage.play(entry)
    recorded = recorded_frames(entry)
    assert agreed == entry["agreed"]
    assert frames[0] == recorded[0]
    assert (frames[-1].code, frames[-1].silent) == (recorded[-1].code, recorded[-1].silent)
    found, wanted = streams(frames), streams(recorded)
    assert {channel: data for channel, data in found.items() if channel != 3} == {
        channel: data for channel, data in wanted.items() if channel != 3
    }
    assert found.keys() == wanted.keys()
    if 3 in wanted:
        assert frames[-2].channel == 3
        assert json.loads(steady_text(found[3].decode())) == json.loads(steady_text(wanted[3].decode()))
    assert all(len(frame.payload) <= 32 * 1024 for frame in frames)


@pytest.mark.parametrize("entry", _REFUSED, ids=_title)
def test_a_recorded_refusal(stage: Stage, entry: dict[str, Any]) -> None:
    answer = stage.refused(entry)
    assert answer.status == entry["refused"]["status"]
    if "body" in entry["refused"]:
        assert steady(answer.body) == steady(stage.translated(entry["refused"]["body"]))


def test_without_an_upgrade(stage: Stage) -> None:
    (entry,) = [entry for entry in _RECORDED if entry["what"] == "without an upgrade"]
    answer = stage.api.call("GET", stage.path("pods/postgres-primary/exec?command=true&stdout=true"))
    assert (answer.status, answer.body) == (entry["response"]["status"], entry["response"]["body"])


def test_a_command_runs_where_and_with_what_its_container_does(stage: Stage) -> None:
    (entry, _) = [entry for entry in _RECORDED if entry["what"] == _OWN]
    _, frames = stage.play(entry)
    _identity, where, *environment = streams(frames)[1].decode().splitlines()
    _, wanted, *recorded = streams(recorded_frames(entry))[1].decode().splitlines()
    assert where == wanted == "/"
    assert {"HOSTNAME=postgres-primary", "PWD=/"} <= set(environment)
    names = {line.partition("=")[0] for line in recorded} - {"POSTGRES_PASSWORD"}
    assert names <= {line.partition("=")[0] for line in environment}


def test_text_frames_are_stdin_too(stage: Stage) -> None:
    """The official Python client sends text as text frames."""
    path = stage.path("pods/postgres-primary/exec?command=cat&stdin=true&stdout=true")
    socket = stage.connect(path, ["v5.channel.k8s.io"])
    socket.send("\0größe\n")
    socket.send_binary(b"\xff\x00")
    received = b""
    while (data := socket.recv_data())[0] != 8:
        received += data[1][1:] if data[1][:1] == b"\1" else b""
    assert received.decode() == "größe\n"


def test_the_size_of_a_terminal_follows_the_client(stage: Stage) -> None:
    command = "command=sh&command=-c&command=read%20x%3B%20stty%20size"
    path = stage.path(f"pods/postgres-primary/exec?{command}&stdin=true&stdout=true&tty=true")
    socket = stage.connect(path, ["v5.channel.k8s.io"])
    socket.send_binary(b"\x04" + json.dumps({"Width": 132, "Height": 43}).encode())
    socket.send_binary(b"\0go\n")
    received = b""
    while (data := socket.recv_data())[0] != 8:
        received += data[1][1:] if data[1][:1] == b"\1" else b""
    assert b"43 132" in received
