"""The container runtime, as kubelet uses it: images, sandboxes, containers."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pgnb_rehearsal.errors import RehearsalError
from pgnb_rehearsal.pods import identity, image_directory, images, network
from pgnb_rehearsal.pods.container import Container, ContainerSpec
from pgnb_rehearsal.pods.control import Control, Refusal, container_error, release
from pgnb_rehearsal.pods.crilog import ContainerLog
from pgnb_rehearsal.pods.images import Image
from pgnb_rehearsal.pods.layout import environment, root_of
from pgnb_rehearsal.pods.sandbox import Sandbox
from pgnb_rehearsal.postgres.binaries import Installation, installations


class Runtime:
    """One for each cluster, in the daemon inside the wrapper, or wherever a bare wrapper's socket is held."""

    def __init__(
        self,
        connection: socket.socket | None = None,
        *,
        initdb_copies: Path | None = None,
        images: Mapping[str, Path] | None = None,
    ) -> None:
        """`connection` is a bare wrapper's; without one, it is what the wrapper left to this process.

        `initdb_copies` is a directory, which clusters may share, for images to keep what initdb makes.
        `images` are further images by name, each made of a directory (see image_directory.py).
        """
        self._control = Control.inherited() if connection is None else Control(connection)
        self._addresses = network.Addresses()
        self._links = itertools.count(1)
        self._sandboxes: list[Sandbox] = []
        self._installations: tuple[Installation, ...] = ()
        self._ip_command = network.ip_command()
        self._owner = identity.container_id_in_wrapper()
        self._many = identity.many_users()
        self._initdb_copies = initdb_copies
        self._images = dict(images or {})

    async def start(self) -> None:
        """Listen to the spawner and find the machine's PostgreSQL; RehearsalError when there is none."""
        self._control.start()
        self._installations = await asyncio.to_thread(installations, for_others=self._owner != 0)

    async def stop(self) -> None:
        """Kill every container and sandbox, and let go of the spawner."""
        await asyncio.gather(*(self.remove_sandbox(sandbox) for sandbox in [*self._sandboxes]))
        self._control.close()

    def image(self, name: str) -> Image:
        """The image called `name`; ImageNotFound when it is not served, or its directory holds none.

        That of PostgreSQL starts as root where there are many users, as the official one, else as the user
        that it steps down to.
        """
        for own, directory in self._images.items():
            if images.canonical(own) == images.canonical(name):
                return image_directory.read(own, directory)
        found = images.find(name, self._installations, self._images)
        if self._initdb_copies is not None:
            found = replace(found, initdb_copies=_place_of_copies(self._initdb_copies, found, self._many))
        return replace(found, uid=0, gid=0) if self._many else found

    async def create_sandbox(self, uid: str, hostname: str, hosts: Path) -> Sandbox:
        """Make the namespaces of the pod with `uid` and plug them into the network.

        `hosts` is the file that its containers see as /etc/hosts: rewrite it in place, so that they see the
        change.
        """
        pause = await self._control.spawn("sandbox", {"hostname": hostname[:64]}, pids="new")
        sandbox = Sandbox(uid, hostname, self._addresses.take(), hosts, self._control, pause)
        self._sandboxes.append(sandbox)
        try:
            await self._ip(network.host_side(next(self._links), pause.pid), 0)
            await self._ip(network.pod_side(sandbox.ip), pause.pid)
        except BaseException:
            await self.remove_sandbox(sandbox)
            raise
        return sandbox

    async def remove_sandbox(self, sandbox: Sandbox) -> None:
        """Kill what still runs in it and give up its namespaces and address."""
        for container in sandbox.containers:
            container.signal("SIGKILL")
        await asyncio.gather(*(container.wait() for container in sandbox.containers))
        if sandbox in self._sandboxes:
            self._sandboxes.remove(sandbox)
            sandbox.pause.signal(signal.SIGKILL)
            await sandbox.pause.wait()
            release(sandbox.pause)
            self._addresses.free(sandbox.ip)

    async def start_container(
        self, sandbox: Sandbox, spec: ContainerSpec, *, share_pid: bool = False
    ) -> Container:
        """Start a container, in the pod's own PID namespace if that is shared.

        StartError, in a container runtime's words, when its command cannot be executed or a mount made.
        """
        env = environment(spec, sandbox.hostname)
        details = {
            "argv": list(spec.argv or (*spec.image.entrypoint, *spec.image.command)),
            "env": env,
            "working_dir": spec.working_dir or spec.image.working_dir,
            "uid": spec.uid,
            "gid": spec.gid,
            "owner": self._owner,
            "many": self._many,
            "groups": list(spec.groups),
            "tty": spec.tty,
            "sandbox": sandbox.pause.pid,
            "keep_mounts": share_pid,
            "root": root_of(spec, sandbox.hostname, sandbox.hosts),
        }
        log = ContainerLog(spec.log)
        streams = [] if spec.tty else await _logged_pipes(log)
        try:
            child = await self._control.spawn(
                "container", details, streams, pids=sandbox.pause.pid if share_pid else "new"
            )
        except Refusal as refusal:
            await log.drain(0)
            raise container_error(refusal) from refusal
        mounts = child.files[0] if share_pid else None
        if spec.tty:
            await log.follow("stdout", os.dup(child.files[-1]))
        container = Container(spec, env, self._control, child, log, mounts, self._owner, self._many)
        sandbox.containers = [other for other in sandbox.containers if not other.end.done()] + [container]
        return container

    async def _ip(self, batch: str, pid: int) -> None:
        """Run ip's commands in the wrapper, or in the network namespace of `pid` if that is not 0."""
        if self._ip_command is None:
            raise RehearsalError("There is no command 'ip'.", remedy="Install the package iproute2.")
        said = os.memfd_create("ip")
        streams = [_memory(batch), os.open(os.devnull, os.O_WRONLY), os.dup(said)]
        details = {"argv": [self._ip_command, "-batch", "-"], "network": pid}
        child = await self._control.spawn("run", details, streams)
        code = await child.wait()
        release(child)
        found = os.pread(said, 4096, 0).decode().strip()
        os.close(said)
        if code != 0:
            raise RehearsalError("A pod's network could not be set up.", found=found)


def _place_of_copies(directory: Path, image: Image, many: bool) -> Path:
    """Where the image's containers keep what initdb makes; those with many users can't read the others'."""
    place = directory / (image.image_id.rpartition(":")[2] + ("-many" if many else ""))
    place.mkdir(parents=True, exist_ok=True)
    place.chmod(0o1777)
    return place


async def _logged_pipes(log: ContainerLog) -> list[int]:
    """Standard streams for a container: nothing to read, and two pipes into its log."""
    streams = [os.open(os.devnull, os.O_RDONLY)]
    for name in ("stdout", "stderr"):
        reader, writer = os.pipe()
        await log.follow(name, reader)
        streams.append(writer)
    return streams


def _memory(text: str) -> int:
    fd = os.memfd_create("text")
    os.write(fd, text.encode())
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
