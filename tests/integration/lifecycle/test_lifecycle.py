"""A cluster's life on the machine: up, up again, down, reset, two at once, and nothing left behind."""

from __future__ import annotations

import http.client
import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pgnb_rehearsal import lifecycle
from pgnb_rehearsal.client import Client
from pgnb_rehearsal.commands import rehearsal as commands
from pgnb_rehearsal.errors import RehearsalError
from pgnb_rehearsal.kubeconfig import read_access
from pgnb_rehearsal.lifecycle import Rehearsal
from pgnb_rehearsal.waiting import until


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A state home of the test's own, whose clusters end with the test."""
    yield tmp_path / "home"
    for name in ("one", "two"):
        lifecycle.down(name, state_home=tmp_path / "home")


def processes_of(text: str) -> list[int]:
    """PIDs of this machine's processes whose command line or working root names `text`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue  # it has just ended
            if text in line:
                found.append(int(entry.name))
    return found


def descendants(pid: int) -> set[int]:
    """All processes below `pid`."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has just ended
        children.setdefault(parent, []).append(int(entry.name))
    found, waiting = set(), [pid]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            found.add(child)
            waiting.append(child)
    return found


def alive(pids: set[int]) -> set[int]:
    def runs(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except OSError:
            return False

    return {pid for pid in pids if runs(pid)}


def mounts_below(path: Path) -> list[str]:
    return [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(path) in line]


def start_a_server(running: Rehearsal, start: Callable[..., Any]) -> set[int]:
    """All processes of a cluster that runs a PostgreSQL server."""
    client = Client(read_access(running.kubeconfig))
    try:
        client.create("/api/v1/namespaces", {"metadata": {"name": "db"}})
        for path, obj in start("db", "db", (), {}, "postgres:17"):
            client.create(path, obj)
        path = "/apis/apps/v1/namespaces/db/deployments/db"
        until(
            lambda: bool(client.get(path)["status"].get("availableReplicas")),
            60,
            what="db",
            found=lambda: "-",
        )
    finally:
        client.close()
    return {running.pid, *descendants(running.pid)}


def assert_nothing_left(home: Path, name: str, processes: set[int]) -> None:
    until(lambda: not alive(processes), 60, what="no process", found=lambda: str(alive(processes)))
    assert not (home / name).exists()
    assert not mounts_below(home)
    assert not processes_of(str(home / name))


def test_up_twice_is_one_cluster_and_down_leaves_nothing(home: Path, server_objects: Any) -> None:
    first = lifecycle.up("one", state_home=home, sample=False)
    assert lifecycle.up("one", state_home=home, sample=False) == first
    assert lifecycle.status("one", state_home=home) == first
    processes = start_a_server(first, server_objects)
    assert len(processes) > 5
    assert lifecycle.down("one", state_home=home)
    assert_nothing_left(home, "one", processes)
    assert not home.exists()
    assert lifecycle.status("one", state_home=home) is None
    assert not lifecycle.down("one", state_home=home)


def test_kubeconfig_is_private_and_names_its_context(home: Path) -> None:
    running = lifecycle.up("one", state_home=home, sample=False)
    assert stat.S_IMODE(running.kubeconfig.stat().st_mode) == 0o600
    assert stat.S_IMODE(running.state.stat().st_mode) == 0o700
    assert lifecycle.kubeconfig("one", state_home=home) == home / "one" / "kubeconfig"
    assert running.context == "pgnb-one"
    assert running.server.startswith("https://127.0.0.1:")


def test_the_token_is_in_no_command_line_and_no_log(home: Path) -> None:
    running = lifecycle.up("one", state_home=home, sample=False)
    token = read_access(running.kubeconfig).token
    assert not processes_of(token)
    for pid in (running.pid, *descendants(running.pid)):
        assert token.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    assert token not in running.log.read_text()


@pytest.mark.long
@pytest.mark.parametrize("victim", ["wrapper", "daemon", "postgres"])
def test_nothing_is_left_after_kill_9(home: Path, server_objects: Any, victim: str) -> None:
    running = lifecycle.up("one", state_home=home, sample=False)
    processes = start_a_server(running, server_objects)
    os.kill(_victim(running, victim), signal.SIGKILL)
    if victim != "postgres":
        until(lambda: not alive(processes), 60, what="no process", found=lambda: str(alive(processes)))
        assert lifecycle.status("one", state_home=home) is None
    lifecycle.down("one", state_home=home)
    assert_nothing_left(home, "one", processes)


def _victim(running: Rehearsal, which: str) -> int:
    if which == "wrapper":
        return running.pid
    wanted = {"daemon": "pgnb_rehearsal.daemon", "postgres": "postgres"}[which]
    return min(pid for pid in processes_of(wanted) if pid in descendants(running.pid))


def test_a_killed_cluster_comes_up_afresh(home: Path) -> None:
    first = lifecycle.up("one", state_home=home, sample=False)
    os.kill(first.pid, signal.SIGKILL)
    second = lifecycle.up("one", state_home=home, sample=False)
    assert second.pid != first.pid
    assert lifecycle.status("one", state_home=home) == second


def test_a_stale_pid_is_not_taken_for_the_daemon(home: Path) -> None:
    running = lifecycle.up("one", state_home=home, sample=False)
    os.kill(running.pid, signal.SIGKILL)
    written = running.state / "daemon.json"
    written.write_text(written.read_text().replace(str(running.pid), str(os.getpid())))
    assert lifecycle.status("one", state_home=home) is None
    assert lifecycle.down("one", state_home=home), "and this very process is not killed for it"


@pytest.mark.parametrize("lost", [True, False])
def test_a_daemon_that_is_not_written_down_any_more_is_found(home: Path, lost: bool) -> None:
    running = lifecycle.up("one", state_home=home, sample=False)
    written = running.state / "daemon.json"
    written.unlink() if lost else written.write_text("")
    assert lifecycle.status("one", state_home=home) == running
    assert lifecycle.status("two", state_home=home) is None
    assert lifecycle.up("one", state_home=home, sample=False) == running
    processes = {running.pid, *descendants(running.pid)}
    assert lifecycle.down("one", state_home=home)
    assert_nothing_left(home, "one", processes)


@pytest.mark.parametrize("name", ["kubeconfig", "settings.json"])
def test_an_emptied_file_makes_remains_and_no_cluster(home: Path, name: str) -> None:
    running = lifecycle.up("one", state_home=home, sample=False)
    (running.state / name).write_text("")
    assert lifecycle.status("one", state_home=home) is None
    told = CliRunner().invoke(commands, ["status", "--name", "one", "--state-home", str(home)])
    assert (told.exit_code, "remains in" in told.output) == (3, True), told.output
    with pytest.raises(RehearsalError, match="There is no rehearsal cluster 'one'") as caught:
        lifecycle.kubeconfig("one", state_home=home)
    assert str(running.state) in caught.value.found
    processes = {running.pid, *descendants(running.pid)}
    fresh = lifecycle.up("one", state_home=home, sample=False)
    assert fresh.pid != running.pid
    assert not alive(processes)


@pytest.mark.parametrize("place", ["/proc/self", "/dev/null", "/proc/self/nowhere"])
def test_where_no_state_can_be_kept_that_is_said(place: str) -> None:
    with pytest.raises(RehearsalError, match="No state of a rehearsal cluster can be kept") as caught:
        lifecycle.up("one", state_home=Path(place), sample=False)
    assert "--state-home" in caught.value.remedy


@pytest.mark.parametrize("tag", ["99; id", "99", "", "17-nowhere"])
def test_an_image_that_there_is_not_is_refused_before_anything_starts(home: Path, tag: str) -> None:
    with pytest.raises(RehearsalError, match="the rehearsal cluster serves postgres:17"):
        lifecycle.up("one", state_home=home, postgres=tag)
    assert not home.exists()


def test_two_clusters_do_not_meet(home: Path, server_objects: Any) -> None:
    one = lifecycle.up("one", state_home=home, sample=False)
    two = lifecycle.up("two", state_home=home, sample=False)
    start_a_server(one, server_objects)
    client = Client(read_access(two.kubeconfig))
    assert client.find("/api/v1/namespaces/db") is None
    client.close()
    stranger = Client(
        read_access(two.kubeconfig).__class__(
            two.server, read_access(two.kubeconfig).ca, read_access(one.kubeconfig).token
        )
    )
    assert stranger.request("GET", "/api/v1/namespaces")[0] == 401
    stranger.close()
    lifecycle.down("one", state_home=home)
    assert lifecycle.status("two", state_home=home) == two


def test_up_at_the_same_time_makes_one_cluster(home: Path) -> None:
    made: list[Rehearsal] = []
    threads = [
        threading.Thread(target=lambda: made.append(lifecycle.up("one", state_home=home, sample=False)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({running.pid for running in made}) == 1


def test_the_daemon_ends_when_its_state_is_deleted(home: Path) -> None:
    running = lifecycle.up("one", state_home=home, sample=False)
    (running.state / "settings.json").unlink()
    until(lambda: not alive({running.pid}), 60, what="the daemon's end", found=lambda: "it runs")


def test_reset_gives_a_fresh_cluster_with_the_same_options(home: Path) -> None:
    first = lifecycle.up("one", state_home=home, sample=False, volume_delay=3.5)
    client = Client(read_access(first.kubeconfig))
    client.create("/api/v1/namespaces", {"metadata": {"name": "mine"}})
    client.close()
    second = lifecycle.reset("one", state_home=home)
    assert second.pid != first.pid and second.options == first.options
    client = Client(read_access(second.kubeconfig))
    assert client.find("/api/v1/namespaces/mine") is None
    client.close()


@pytest.mark.parametrize("name", ["", "Upper", "-x", "a/b", "x" * 41, ".."])
def test_a_bad_name_is_refused(home: Path, name: str) -> None:
    with pytest.raises(RehearsalError, match="That is no name for a rehearsal cluster"):
        lifecycle.up(name, state_home=home)


@pytest.mark.parametrize("verb", [lifecycle.kubeconfig, lifecycle.reset])
def test_what_needs_a_cluster_says_when_there_is_none(home: Path, verb: Callable[..., Any]) -> None:
    with pytest.raises(RehearsalError, match="There is no rehearsal cluster 'one'"):
        verb("one", state_home=home)


def test_the_api_answers_on_the_loopback_only(home: Path) -> None:
    running = lifecycle.up("one", state_home=home, sample=False)
    port = int(running.server.rpartition(":")[2])
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")}
    assert listening == {f"0100007F:{port:04X}"}


def test_a_certificate_of_another_cluster_is_not_trusted(home: Path) -> None:
    one = lifecycle.up("one", state_home=home, sample=False)
    two = lifecycle.up("two", state_home=home, sample=False)
    access = read_access(one.kubeconfig)
    client = Client(access.__class__(access.server, read_access(two.kubeconfig).ca, access.token))
    with pytest.raises((OSError, http.client.HTTPException), match="CERTIFICATE_VERIFY_FAILED"):
        client.request("GET", "/readyz")
    client.close()


def test_the_commands_tell_what_they_did(home: Path) -> None:
    runner, place = CliRunner(), ["--name", "one", "--state-home", str(home)]
    up = runner.invoke(commands, ["up", "--no-sample", *place])
    assert up.exit_code == 0 and "is up" in up.output and str(home / "one" / "kubeconfig") in up.output
    assert runner.invoke(commands, ["status", *place]).exit_code == 0
    printed = runner.invoke(commands, ["kubeconfig", *place]).output
    assert printed == f"{home / 'one' / 'kubeconfig'}\n"
    assert "is gone" in runner.invoke(commands, ["down", *place]).output
    assert runner.invoke(commands, ["status", *place]).exit_code == 3
