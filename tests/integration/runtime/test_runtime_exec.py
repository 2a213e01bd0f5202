"""Commands in a running container."""

from __future__ import annotations

import asyncio

import pytest
from runtime_machine import Machine

from pgnb_rehearsal.pods.container import Container
from pgnb_rehearsal.pods.errors import StartError
from pgnb_rehearsal.pods.sandbox import Sandbox

Server = tuple[Sandbox, Container]


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137)])
def test_exit_status(machine: Machine, server: Server, script: str, code: int) -> None:
    assert machine.exec(server[1], "sh", "-c", script).code == code


def test_streams_are_apart(machine: Machine, server: Server) -> None:
    outcome = machine.exec(server[1], "sh", "-c", "echo out; echo err >&2")
    assert (outcome.out, outcome.err) == (b"out\n", b"err\n")


def test_much_output(machine: Machine, server: Server) -> None:
    outcome = machine.exec(server[1], "sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x")
    assert outcome.out == b"x" * 300_000


def test_much_input_until_its_end(machine: Machine, server: Server) -> None:
    data = bytes(range(256)) * 400
    assert machine.exec(server[1], "cat", stdin=data).out == data


def test_without_stdin_there_is_nothing_to_read(machine: Machine, server: Server) -> None:
    assert machine.exec(server[1], "cat").out == b""


def test_the_environment_is_the_containers(machine: Machine, server: Server) -> None:
    env = dict(line.split("=", 1) for line in machine.exec(server[1], "env").out.decode().splitlines())
    assert env["PGDATA"] == "/var/lib/postgresql/data"
    assert env["HOSTNAME"] == "postgres-0"
    assert "PGNB_SPAWNER_FD" not in env


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (
            ("nope",),
            'unable to start container process: exec: "nope": executable file not found in $PATH: unknown',
        ),
        ((), "args must not be empty: unknown"),
    ],
)
def test_a_command_that_is_not_there(
    machine: Machine, server: Server, argv: tuple[str, ...], words: str
) -> None:
    with pytest.raises(StartError) as raised:
        machine.exec(server[1], *argv)
    head, _, tail = raised.value.message.partition('": ')
    assert head.startswith('failed to exec in container: failed to start exec "')
    assert tail == f"OCI runtime exec failed: exec failed: {words}"


def test_a_terminal(machine: Machine, server: Server) -> None:
    outcome = machine.exec(server[1], "sh", "-c", "tty; stty size; echo err >&2; echo $TERM", tty=True)
    assert outcome.out == b"/dev/pts/0\r\n0 0\r\nerr\r\nxterm\r\n"


def test_a_terminal_is_resized_and_interrupts(machine: Machine, server: Server) -> None:
    async def talk() -> tuple[bytes, int]:
        script = "trap 'exit 9' INT; while :; do stty size; sleep 0.02; done"
        process = await server[1].exec(["sh", "-c", script], tty=True, stdin=True)
        assert process.stdin
        process.resize(40, 132)
        seen = await process.stdout.readuntil(b"40 132")
        process.stdin.write(b"\x03")
        code = await process.wait()
        process.close()
        return seen, code

    seen, code = machine.run(asyncio.wait_for(talk(), 20))
    assert b"40 132" in seen
    assert code == 9


def test_kill(machine: Machine, server: Server) -> None:
    process = machine.run(server[1].exec(["sleep", "600"]))
    process.kill("SIGTERM")
    assert machine.run(process.wait()) == 143
    process.close()
    process.kill()  # it has ended: nothing happens


def test_a_reader_that_goes_away(machine: Machine, server: Server) -> None:
    async def feed() -> None:
        process = await server[1].exec(["true"], stdin=True)
        assert process.stdin
        await process.wait()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(100):
                process.stdin.write(b"x" * 65536)
                await process.stdin.drain()
        process.close()

    machine.run(asyncio.wait_for(feed(), 20))


def test_many_at_once(machine: Machine, server: Server) -> None:
    async def all_of_them() -> list[int]:
        processes = await asyncio.gather(
            *(server[1].exec(["sh", "-c", f"exit {number}"]) for number in range(60))
        )
        codes = [await process.wait() for process in processes]
        for process in processes:
            process.close()
        return codes

    assert machine.run(all_of_them()) == list(range(60))
