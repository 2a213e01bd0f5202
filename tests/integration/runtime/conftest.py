"""A container runtime of its own for these tests, in a bare wrapper."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from runtime_machine import Machine

from pgnb_rehearsal.pods import wrapper
from pgnb_rehearsal.pods.container import Container, Mount
from pgnb_rehearsal.pods.runtime import Runtime
from pgnb_rehearsal.pods.sandbox import Sandbox


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine without a kubelet; whatever a test leaves in it ends with the session."""
    directory = tmp_path_factory.mktemp("runtime")
    first, control = wrapper.open_bare(directory / "spawner.log")
    with asyncio.Runner() as runner:
        runtime = Runtime(control)
        runner.run(runtime.start())
        yield Machine(directory, first, runtime, runner)
        runner.run(runtime.stop())
    assert (directory / "spawner.log").read_text() == ""


@pytest.fixture
def sandbox(machine: Machine) -> Iterator[Sandbox]:
    """One pod's sandbox."""
    made = machine.sandbox()
    yield made
    machine.run(machine.runtime.remove_sandbox(made))


@pytest.fixture(scope="session")
def server(machine: Machine) -> tuple[Sandbox, Container]:
    """A running PostgreSQL, for what only looks."""
    sandbox = machine.sandbox("postgres-0")
    mounts = [Mount(machine.volume(), "/var/lib/postgresql/data", False)]
    container = machine.start(sandbox, machine.spec(env={"POSTGRES_PASSWORD": "secret"}, mounts=mounts))
    machine.await_ready(container)
    return sandbox, container
