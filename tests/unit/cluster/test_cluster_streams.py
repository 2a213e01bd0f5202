"""Exec and port-forward as recorded: frames in, results out."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import threading
from pathlib import Path

import pytest
from replaying import NAMESPACE, POD, Replay, entry, failing, recorded

from pgnb.cluster import Cluster, Forward, Pod
from pgnb.cluster.channels import END_OF_STDIN, Output, bounded, message
from pgnb.cluster.loop import LOOP
from pgnb.core.errors import (
    ClusterError,
    DeadlineExceeded,
    ExecFailed,
    GateClosed,
    NotFound,
    PodError,
    Rejected,
)


def speak(replay: Replay, what: str, protocol: str = "v5.channel.k8s.io") -> None:
    replay.sockets.append(
        next(
            found
            for found in recorded("exec")
            if found["what"] == what and protocol in (found.get("agreed"), *found.get("offered", ()))
        )
    )


def test_output_and_success(replay: Replay, cluster: Cluster, primary: Pod) -> None:
    speak(replay, "exit 0")
    result = cluster.exec(primary, ["true"])
    assert (result.stdout, result.stderr, result.exit_status) == (b"", b"", 0)
    assert result.seconds > 0


def test_output_errors_and_status(replay: Replay, cluster: Cluster, primary: Pod) -> None:
    speak(replay, "exit 3, out and err")
    argv = ["sh", "-c", "echo out; echo err >&2; exit 3"]
    result = cluster.exec(primary, argv, check=False)
    assert (result.stdout, result.stderr, result.exit_status) == (b"out\n", b"err\n", 3)
    with pytest.raises(ExecFailed, match=r"sh in pod .* ended with exit status 3") as caught:
        cluster.exec(primary, argv)
    assert caught.value.found == "err"


def test_a_program_that_is_not_there(replay: Replay, cluster: Cluster, primary: Pod) -> None:
    speak(replay, "command that is not there")
    with pytest.raises(ExecFailed, match="could not be run") as caught:
        cluster.exec(primary, ["nope"], check=False)
    assert "executable file not found" in caught.value.found


def test_killed_says_terminated(replay: Replay, cluster: Cluster, primary: Pod) -> None:
    speak(replay, "killed by a signal")
    with pytest.raises(ExecFailed, match=r"137 .terminated") as caught:
        cluster.exec(primary, ["sh", "-c", "kill -9 $$"])
    assert "container was stopped" in caught.value.remedy


def test_a_container_that_goes_away_under_a_command(replay: Replay, cluster: Cluster, primary: Pod) -> None:
    changes = recorded("changes")
    found = next(entry for entry in changes if entry["what"].startswith("SIGINT to PID 1"))
    replay.sockets.append(dict(found) | {"path": found["path"].replace("-4fnh7", "-9j5cc")})
    with pytest.raises(ExecFailed, match=r"137 .terminated"):
        cluster.exec(primary, ["sh", "-c", "kill -INT 1; sleep 5"])


def test_stdin_and_its_end(replay: Replay, cluster: Cluster, primary: Pod) -> None:
    speak(replay, "stdin, then half-close of channel 0 (v5's 255, 0)")
    assert cluster.exec(primary, ["cat"], stdin=b"hello\n").stdout == b"hello\n"
    assert replay.received == [message(0, b"hello\n"), END_OF_STDIN]


def test_a_server_without_half_close_gets_a_bounded_stdin(
    replay: Replay, cluster: Cluster, primary: Pod
) -> None:
    found = dict(entry("exec", "stdin, no half-close in v4: cat goes on"))
    found["frames"] = [frame for frame in found["frames"] if frame["type"] != "silence"][:3]
    words = "".join(f"&command={word}" for word in bounded(("cat",), 6))
    found["path"] = f"/api/v1/namespaces/{NAMESPACE}/pods/{POD}/exec?stdin=true{words.replace(' ', '%20')}"
    replay.sockets.append(found)
    with pytest.raises(ExecFailed, match="interrupted"):
        cluster.exec(primary, ["cat"], stdin=b"hello\n")
    asked = [path for _, path, _, _ in replay.requests if "/exec?" in path]
    assert len(asked) == 2, "first v5, which is refused before the command starts, then v4"
    assert replay.received == [message(0, b"hello\n")]


def test_the_bounded_reader_keeps_arguments_as_they_are() -> None:
    import subprocess

    argv = bounded(("cat",), 5)
    assert subprocess.run(argv, input=b"helloEXTRA", capture_output=True, check=True).stdout == b"hello"
    strange = bounded(("printf", "%s|", "a b", "$(id)", "'"), 0)
    assert subprocess.run(strange, capture_output=True, check=True).stdout == b"a b|$(id)|'|"


@pytest.mark.parametrize(
    ("what", "kind", "words"),
    [
        ("pod that is not there", NotFound, 'pods "nope" not found'),
        ("container that is not there", Rejected, "container nope is not valid"),
    ],
)
def test_refusals_in_the_servers_own_words(
    replay: Replay, cluster: Cluster, primary: Pod, what: str, kind: type[ClusterError], words: str
) -> None:
    replay.sockets.append(
        dict(entry("exec", what)) | {"path": entry("exec", what)["path"].replace("/nope/", f"/{POD}/")}
    )
    with pytest.raises(kind, match=words):
        cluster.exec(primary, ["true"])


def test_a_pod_that_is_done(replay: Replay, cluster: Cluster) -> None:
    refusal = next(found for found in recorded("failures") if found["what"] == "exec into a pod that is done")
    replay.sockets.append(refusal)
    replay.answer("GET", f"/api/v1/namespaces/{NAMESPACE}/pods/done", 200, failing("done")[0])
    replay.answer("GET", f"/api/v1/namespaces/{NAMESPACE}/events", 200, {"items": []})
    with pytest.raises(PodError, match="no command can run in pod done") as caught:
        cluster.exec(Pod.of(failing("done")[0]), ["true"])
    assert "has ended (Succeeded)" in caught.value.found


def test_a_command_that_does_not_end(replay: Replay, cluster: Cluster, primary: Pod) -> None:
    speak(replay, "stdin, then half-close of channel 0 (v5's 255, 0)")
    replay.sockets[0] = dict(replay.sockets[0]) | {
        "path": replay.sockets[0]["path"].replace("stdin=true&", "")
    }
    with pytest.raises(DeadlineExceeded, match=r"did not end within 0.3 s"):
        cluster.exec(primary, ["cat"], timeout=0.3)


def test_a_changing_command_is_journalled_and_not_run_in_a_plan(
    replay: Replay, cluster: Cluster, primary: Pod
) -> None:
    speak(replay, "exit 0")
    cluster.exec(primary, ["true"], changes="touch the configuration")
    assert [(e.target, e.what, e.result) for e in cluster.journal.entries] == [
        (f"pod/{POD}", "touch the configuration", "exit status 0")
    ]
    cluster.journal.dry_run = True
    with pytest.raises(GateClosed, match="touch the configuration"):
        cluster.exec(primary, ["true"], changes="touch the configuration")


def test_the_status_of_an_older_server() -> None:
    output = Output()
    frames = entry("exec", "exit 3, out and err")["frames"]
    output.take(message(3, frames[-2]["payload"].encode()))
    assert output.exit_status == 3


def through(forward: Forward) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(5)
    client.connect(f"{forward.host}/.s.PGSQL.{forward.port}")
    return client


def test_a_forward_is_reached_by_its_owner_alone(replay: Replay, cluster: Cluster, primary: Pod) -> None:
    before = _listening_on_loopback()
    with cluster.forward(primary) as forward:
        folder = Path(forward.host)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert [path.name for path in folder.iterdir()] == [f".s.PGSQL.{forward.port}"]
        assert _listening_on_loopback() == before


def test_over_tcp_another_users_connection_is_refused(
    replay: Replay, cluster: Cluster, primary: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay.sockets.append(recorded("portforward")[0])
    before = _listening_on_loopback()
    with cluster.forward(primary) as forward:
        with socket.create_connection(forward.over_tcp(), 5) as client:
            client.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
            assert client.recv(10) == b"N", "the owner's passes"
        owner = os.geteuid()
        monkeypatch.setattr("os.geteuid", lambda: owner + 1)
        with socket.create_connection(forward.over_tcp(), 5) as client, contextlib.suppress(ConnectionError):
            assert client.recv(10) == b""
        assert "another user" in forward.last_error
    assert _listening_on_loopback() == before


def _listening_on_loopback() -> set[str]:
    """The ports on which this process listens on loopback (proc(5): state 0A)."""
    inodes = {str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes}


def test_sql_goes_through_a_forward(replay: Replay, cluster: Cluster, primary: Pod) -> None:
    found = recorded("portforward")[0]
    replay.sockets.append(dict(found) | {"frames": found["frames"][:-1]})
    with (
        cluster.forward(primary) as forward,
        through(forward) as client,
    ):
        client.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
        assert client.recv(10) == b"N"
        assert client.recv(10) == b"", "closed when the pod's side closes"
        assert forward.last_error == ""
    assert replay.received == [message(0, b"\x00\x00\x00\x08\x04\xd2\x16\x2f")]


def test_a_refused_port_is_told_in_the_pods_own_words(replay: Replay, cluster: Cluster, primary: Pod) -> None:
    replay.sockets.append(entry("portforward", "nothing listens there"))
    with (
        cluster.forward(primary, 5999) as forward,
        through(forward) as client,
    ):
        assert client.recv(10) == b""
    assert "connect: connection refused" in forward.last_error


def test_a_pod_that_is_gone_is_told(replay: Replay, cluster: Cluster, primary: Pod) -> None:
    found = entry("portforward", "pod that is not there")
    replay.sockets.append(dict(found) | {"path": found["path"].replace("/nope/", f"/{POD}/")})
    with (
        cluster.forward(primary) as forward,
        through(forward) as client,
    ):
        assert client.recv(10) == b""
    assert 'pods "nope" not found' in forward.last_error


def test_nothing_is_left_behind(replay: Replay, cluster: Cluster, primary: Pod) -> None:
    LOOP.close()  # whoever else held it, in tests before this one
    before = {thread.name for thread in threading.enumerate()}
    forward = cluster.forward(primary)
    assert "pgnb-streams" in {thread.name for thread in threading.enumerate()}
    forward.close()
    forward.close()
    cluster.close()
    assert {thread.name for thread in threading.enumerate()} == before
    assert not Path(forward.host).exists()
    with pytest.raises(FileNotFoundError):
        through(forward)


def test_the_loop_runs_nothing_that_nobody_holds() -> None:
    async def nothing() -> None: ...

    LOOP.close()
    with pytest.raises(RuntimeError):
        LOOP.run(nothing())
