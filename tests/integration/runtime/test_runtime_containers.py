"""What a container is: who, where, with which files, and how it ends."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from pathlib import Path

import pytest
from runtime_machine import Machine

from pgnb_rehearsal.pods.container import Container, Mount
from pgnb_rehearsal.pods.errors import ContainerGone, StartError
from pgnb_rehearsal.pods.sandbox import Sandbox

FAILED = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
    "runc create failed: unable to start container process: "
)


def test_who_and_where(machine: Machine, server: tuple[Sandbox, Container]) -> None:
    script = "id -u; id -un; pwd; hostname; cat /proc/1/comm; ls /proc | grep -c '^1$'; env | grep -c PGNB_"
    lines = machine.exec(server[1], "sh", "-c", script).out.decode().splitlines()
    assert lines == ["999", "postgres", "/", "postgres-0", "postgres", "1", "0"]


def test_nothing_of_the_machine_is_seen(machine: Machine, server: tuple[Sandbox, Container]) -> None:
    script = (
        "ls -A /root /home /opt /mnt /srv; ls -d /.old /work /etc/shadow /etc/hostid /sys 2>/dev/null; true"
    )
    shown = machine.exec(server[1], "sh", "-c", script).out.decode()
    assert re.findall(r"^[^/\n:]+$", shown, re.M) == []
    assert "/.old\n" not in shown


def test_usr_is_read_only(machine: Machine, server: tuple[Sandbox, Container]) -> None:
    for place in ("/usr/bin", "/usr/lib/postgresql/17/bin"):
        outcome = machine.exec(server[1], "touch", f"{place}/x")
        assert b"Read-only file system" in outcome.err


def test_no_descriptor_of_the_runtime_reaches_a_container(
    machine: Machine, server: tuple[Sandbox, Container]
) -> None:
    first = machine.exec(server[1], "sh", "-c", "ls -l /proc/1/fd").out.decode()
    mine = machine.exec(server[1], "sh", "-c", "ls /proc/self/fd").out.decode().split()
    assert mine == ["0", "1", "2", "3"]  # 3 is ls's own look at the directory
    assert "memfd" not in first


def test_dev(machine: Machine, server: tuple[Sandbox, Container]) -> None:
    script = (
        "echo x > /dev/null && head -c 4 /dev/zero | wc -c && head -c 4 /dev/urandom | wc -c && "
        "echo out > /dev/stdout && echo err > /dev/stderr && df -k --output=size /dev/shm | tail -1"
    )
    outcome = machine.exec(server[1], "sh", "-c", script)
    assert outcome.out.split() == [b"4", b"4", b"out", b"65536"]
    assert outcome.err == b"err\n"


def test_volumes_and_order_of_mounts(machine: Machine, sandbox: Sandbox) -> None:
    outer, inner, single = machine.volume(), machine.volume(), machine.directory / "single.conf"
    single.write_text("one file\n")
    (inner / "seen").write_text("inner\n")
    (inner / "seen").chmod(0o644)
    mounts = [
        Mount(inner, "/data/outer/inner", True),
        Mount(single, "/etc/postgresql/single.conf", True),
        Mount(outer, "/data/outer", False),
    ]
    script = (
        "cat /data/outer/inner/seen /etc/postgresql/single.conf; echo kept > /data/outer/file; "
        "touch /data/outer/inner/x"
    )
    container = machine.start(sandbox, machine.spec("sh", "-c", script, mounts=mounts))
    assert machine.run(container.wait()) == 1
    assert "inner\none file" in machine.log(container)
    assert "Read-only file system" in machine.log(container)
    assert (outer / "file").read_text() == "kept\n"


def test_the_file_system_is_fresh_after_a_restart_and_volumes_stay(
    machine: Machine, sandbox: Sandbox
) -> None:
    mounts = [Mount(machine.volume(), "/data", False)]
    script = "ls /tmp /data; touch /tmp/lost /data/kept"
    for expected in ("/data:\n\n/tmp:", "/data:\nkept\n\n/tmp:"):
        container = machine.start(sandbox, machine.spec("sh", "-c", script, mounts=mounts))
        assert machine.run(container.wait()) == 0
        assert machine.log(container).strip() == expected


def test_hosts_file_follows_a_change_in_place(machine: Machine, sandbox: Sandbox) -> None:
    container = machine.start(sandbox, machine.spec("sleep", "600"))
    sandbox.hosts.write_text("127.0.0.1 localhost\n10.96.0.7 postgres-primary\n")
    assert machine.exec(container, "getent", "hosts", "postgres-primary").out.startswith(b"10.96.0.7")
    assert machine.exec(container, "getent", "hosts", "nobody-knows").code == 2


@pytest.mark.parametrize("uid", [0, 70, 1000680000])
def test_another_user(machine: Machine, sandbox: Sandbox, uid: int) -> None:
    mounts = [Mount(machine.volume(), "/data", False)]
    script = "id -u; id -g; touch /data/mine && stat -c %u /data/mine; cd && pwd"
    container = machine.start(sandbox, machine.spec("sh", "-c", script, uid=uid, mounts=mounts))
    assert machine.run(container.wait()) == 0, machine.log(container)
    assert machine.log(container).split() == [str(uid)] * 3 + ["/root" if uid == 0 else "/"]


def test_working_directory_is_made(machine: Machine, sandbox: Sandbox) -> None:
    container = machine.start(sandbox, machine.spec("pwd", working_dir="/some/where"))
    assert machine.run(container.wait()) == 0
    assert machine.log(container) == "/some/where"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("/nope",), 'exec: "/nope": stat /nope: no such file or directory: unknown'),
        (("nope",), 'exec: "nope": executable file not found in $PATH: unknown'),
        (("/etc/passwd",), 'exec: "/etc/passwd": permission denied: unknown'),
        (("/usr",), 'exec: "/usr": is a directory: unknown'),
    ],
)
def test_a_command_that_cannot_start(
    machine: Machine, sandbox: Sandbox, argv: tuple[str, ...], words: str
) -> None:
    with pytest.raises(StartError) as raised:
        machine.start(sandbox, machine.spec(*argv))
    assert (raised.value.message, raised.value.reason, raised.value.exit_code) == (
        FAILED + words,
        "StartError",
        128,
    )


def test_a_mount_that_is_not_there(machine: Machine, sandbox: Sandbox) -> None:
    mounts = [Mount(Path("/does/not/exist"), "/data", False)]
    with pytest.raises(StartError, match="No such file or directory: '/does/not/exist'"):
        machine.start(sandbox, machine.spec("true", mounts=mounts))


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$; sleep 600", None)])
def test_exit_codes(machine: Machine, sandbox: Sandbox, script: str, code: int | None) -> None:
    container = machine.start(sandbox, machine.spec("sh", "-c", script))
    if code is None:
        # PID 1 cannot kill itself (pid_namespaces(7)); from outside SIGKILL ends it.
        assert container.running
        container.signal("SIGKILL")
    assert machine.run(container.wait()) == (137 if code is None else code)


def test_a_signal_without_a_handler_is_ignored_by_pid_1(machine: Machine, sandbox: Sandbox) -> None:
    handled = "trap 'exit 5' TERM; while :; do sleep 0.05; done"
    one, other = (machine.start(sandbox, machine.spec("sh", "-c", s)) for s in (handled, "sleep 600; true"))
    for container in (one, other):
        assert machine.exec(container, "true").code == 0
        container.signal("SIGTERM")
    assert machine.run(one.wait()) == 5
    assert other.running


def test_processes_end_with_their_container(machine: Machine, sandbox: Sandbox) -> None:
    container = machine.start(sandbox, machine.spec("sh", "-c", "sleep 600 & sleep 600 & wait"))
    running = machine.run(container.exec(["sleep", "600"]))
    container.signal("SIGKILL")
    assert machine.run(container.wait()) == 137
    assert machine.run(running.wait()) == 137
    running.close()
    with pytest.raises(ContainerGone):
        machine.exec(container, "true")


def test_a_shared_pid_namespace(machine: Machine, sandbox: Sandbox) -> None:
    script = "sh -c 'sleep 611 & sleep 600'"
    one = machine.start(sandbox, machine.spec("sh", "-c", script), share_pid=True)
    other = machine.start(sandbox, machine.spec("sleep", "622"), share_pid=True)
    look = ("sh", "-c", "cat /proc/1/comm; cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    seen = machine.exec(other, *look).out.decode()
    assert seen.startswith("pause\n")
    assert "sleep 611" in seen
    one.signal("SIGKILL")
    assert machine.run(one.wait()) == 137
    after = machine.exec(other, *look).out.decode()
    assert "sleep 611" not in after
    assert "sleep 622" in after


def test_no_zombie_is_left(machine: Machine, sandbox: Sandbox) -> None:
    container = machine.start(sandbox, machine.spec("sleep", "600"))
    for _ in range(5):
        machine.exec(container, "sh", "-c", "(sleep 0.01 &) ; exit 0")
    container.signal("SIGKILL")
    machine.run(container.wait())
    children = Path(f"/proc/{machine.first}/task/{machine.first}/children").read_text().split()
    states = [Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] for child in children]
    assert "Z" not in states


def test_the_log_is_complete_when_the_container_has_ended(machine: Machine, sandbox: Sandbox) -> None:
    script = "i=0; while [ $i -lt 5000 ]; do i=$((i+1)); echo line $i; done; echo last >&2"
    container = machine.start(sandbox, machine.spec("sh", "-c", script))
    assert machine.run(container.wait()) == 0
    lines = machine.log(container).splitlines()
    assert len(lines) == 5001
    assert [line for line in lines if line != "last"] == [f"line {n}" for n in range(1, 5001)]


def test_a_container_with_a_terminal(machine: Machine, sandbox: Sandbox) -> None:
    container = machine.start(sandbox, machine.spec("sh", "-c", "tty; echo err >&2", tty=True))
    assert machine.run(container.wait()) == 0
    lines = [line.split(" ", 3) for line in container.spec.log.read_text().splitlines()]
    assert [(stream, text.strip()) for _, stream, _, text in lines] == [
        ("stdout", "/dev/pts/0"),
        ("stdout", "err"),
    ]


def test_a_start_that_nobody_waits_for_leaves_no_process(machine: Machine, sandbox: Sandbox) -> None:
    async def give_up() -> None:
        starting = asyncio.ensure_future(
            machine.runtime.start_container(sandbox, machine.spec("sleep", "633"))
        )
        await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

    machine.run(give_up())
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and _commands(machine).count("sleep 633"):
        machine.run(asyncio.sleep(0.01))
    assert "sleep 633" not in _commands(machine)


def _commands(machine: Machine) -> str:
    """The command lines of everything below the wrapper."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if (path.parent / "ns/net").stat().st_ino != Path("/proc/self/ns/net").stat().st_ino:
                found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip())
        except OSError:
            continue  # it has ended
    return "\n".join(found)


def test_pid_1_survives_nothing_but_its_own_end(machine: Machine, sandbox: Sandbox) -> None:
    container = machine.start(sandbox, machine.spec("sleep", "600"))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        assert machine.exec(container, "sh", "-c", f"kill -{number.value} 1").code == 0
    assert container.running
