"""Commands, logs and SQL in real pods."""

from __future__ import annotations

import threading
from datetime import timedelta

import psycopg
import pytest

from pgnb.cluster import Cluster, Forward, Pod
from pgnb.core.errors import DeadlineExceeded, ExecFailed, NotFound, Rejected
from pgnb.core.wait import wait_until
from tests.interrupts import interrupted


def sql(cluster: Cluster, pod: Pod, forward: Forward) -> psycopg.Connection:
    password = cluster.resolve_password("pod-env:POSTGRES_PASSWORD", pod)
    return psycopg.connect(
        host=forward.host, port=forward.port, user="postgres", password=password.reveal(), autocommit=True
    )


def test_output_errors_and_status(cluster: Cluster, pod: Pod) -> None:
    result = cluster.exec(pod, ["sh", "-c", "echo out; echo err >&2; exit 3"], check=False)
    assert (result.stdout, result.stderr, result.exit_status) == (b"out\n", b"err\n", 3)
    with pytest.raises(ExecFailed, match="exit status 3") as caught:
        cluster.exec(pod, ["sh", "-c", "echo why >&2; exit 3"])
    assert caught.value.found == "why"


def test_a_million_bytes_there_and_back(cluster: Cluster, pod: Pod) -> None:
    data = bytes(range(256)) * 4000
    assert cluster.exec(pod, ["cat"], stdin=data).stdout == data


def test_arguments_are_no_shells_text(cluster: Cluster, pod: Pod) -> None:
    strange = ["a b", "$(id)", "'; exit 1", "日本", ""]
    result = cluster.exec(pod, ["printf", "%s|", *strange])
    assert result.stdout.decode() == "|".join(strange) + "|"


def test_a_program_that_is_not_there(cluster: Cluster, pod: Pod) -> None:
    with pytest.raises(ExecFailed, match="could not be run") as caught:
        cluster.exec(pod, ["no-such-program"])
    assert "no-such-program" in caught.value.found


def test_a_command_that_does_not_end(cluster: Cluster, pod: Pod) -> None:
    with pytest.raises(DeadlineExceeded, match=r"within 0.5 s"):
        cluster.exec(pod, ["sleep", "3000"], timeout=0.5)


def test_an_interrupt_ends_the_wait_and_its_task(cluster: Cluster, pod: Pod) -> None:
    runs = ["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c '[s]leep 3001'"]
    with (
        interrupted(lambda: cluster.exec(pod, runs, check=False).exit_status == 0),
        pytest.raises(KeyboardInterrupt),
    ):
        cluster.exec(pod, ["sleep", "3001"])
    assert cluster.exec(pod, ["true"]).exit_status == 0


def test_a_command_killed_with_its_container_says_so(cluster: Cluster, pod: Pod) -> None:
    with pytest.raises(ExecFailed, match="137"):
        cluster.exec(pod, ["sh", "-c", "kill -9 $$"])


def test_a_pod_and_a_container_that_are_not_there(cluster: Cluster, pod: Pod) -> None:
    from dataclasses import replace

    with pytest.raises(NotFound, match='pods "gone" not found'):
        cluster.exec(replace(pod, name="gone"), ["true"])
    with pytest.raises(Rejected, match="container nope is not valid"):
        cluster.exec(replace(pod, container="nope"), ["true"])


def test_log_lines(cluster: Cluster, pod: Pod) -> None:
    lines = cluster.logs(pod, tail=3, timestamps=True)
    assert len(lines) == 3
    assert any("ready to accept connections" in line.text for line in lines)
    assert all(line.at is not None for line in lines)
    assert cluster.logs(pod, since=timedelta(seconds=1), tail=0) == []
    assert cluster.logs(pod, previous=True) == []
    assert sum(len(line.text) + 1 for line in cluster.logs(pod, limit_bytes=100)) <= 101


def test_sql_through_one_forward_by_many(cluster: Cluster, pod: Pod) -> None:
    with cluster.forward(pod) as forward:
        sessions = [sql(cluster, pod, forward) for _ in range(8)]
        backends = {session.execute("SELECT pg_backend_pid()").fetchone() for session in sessions}
        big = sessions[0].execute("SELECT repeat('x', 5000000)").fetchone()
        for session in sessions:
            session.close()
    assert len(backends) == 8
    assert big is not None
    assert len(big[0]) == 5_000_000


def test_a_session_that_is_kept_alive_goes_on(
    cluster: Cluster, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgnb.cluster.sockets.KEEP_ALIVE", 0.02)
    with cluster.forward(pod) as forward, sql(cluster, pod, forward) as session:
        assert session.execute("SELECT pg_sleep(0.5), 1").fetchone() == ("", 1)
        assert session.execute("SELECT length(repeat('x', 3000000))").fetchone() == (3_000_000,)


def test_a_port_where_nobody_listens(cluster: Cluster, pod: Pod) -> None:
    with cluster.forward(pod, 5999) as forward:
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host=forward.host, port=forward.port, user="postgres", connect_timeout=5)
        assert "5999" in forward.last_error


def test_a_session_ends_with_its_server_and_a_new_one_reaches_the_next(cluster: Cluster, pod: Pod) -> None:
    with cluster.forward(pod) as forward:
        session = sql(cluster, pod, forward)
        cluster.exec(pod, ["kill", "-INT", "1"], check=False)
        with pytest.raises(psycopg.OperationalError):
            for _ in range(1000):
                session.execute("SELECT pg_sleep(0.01)")
        wait_until("the server", lambda: _answers(cluster, pod, forward), timeout=60)
    selector = f"app={pod.labels['app']}"
    wait_until(
        "Ready",
        lambda: cluster.pods(selector),
        lambda pods: pods[0].ready and pods[0].restarts >= 1,
        timeout=60,
    )


def _answers(cluster: Cluster, pod: Pod, forward: Forward) -> bool:
    try:
        with sql(cluster, pod, forward) as session:
            return session.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def test_closing_leaves_nothing_behind(cluster: Cluster, pod: Pod) -> None:
    with cluster.forward(pod) as forward:
        session = sql(cluster, pod, forward)
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    cluster.close()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("pgnb")]
    assert cluster.exec(pod, ["true"]).exit_status == 0, "a closed cluster connects again when it is used"
