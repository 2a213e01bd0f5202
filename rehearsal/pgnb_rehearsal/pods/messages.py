"""What the daemon and the spawner say to each other: small packets with file descriptors.

A request carries its details in a memory file, so that neither the size of an environment nor a secret in it
meets a limit, a command line or a disk. Every request has an id; its answers carry the same one.
"""

from __future__ import annotations

import array
import json
import os
import socket
from collections.abc import Sequence
from typing import Any

CONTROL_FD = "PGNB_SPAWNER_FD"
_LARGEST = 4096
_MOST_FDS = 8

Message = dict[str, Any]


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets that keep the borders of messages."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(control: socket.socket, message: Message, fds: Sequence[int] = ()) -> None:
    """Send one message with `fds`, which stay open here. BlockingIOError when the other side is behind."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    control.sendmsg([json.dumps(message).encode()], rights)


def receive(control: socket.socket) -> tuple[Message, list[int]] | None:
    """The next message and its descriptors (close-on-exec); None when the other side is gone."""
    # socket.recv_fds of Python 3.11 drops its flags, and the descriptors would reach the containers.
    room = socket.CMSG_LEN(_MOST_FDS * array.array("i").itemsize)
    data, ancillary, _, _ = control.recvmsg(_LARGEST, room, socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return (json.loads(data), fds.tolist()) if data else None


def details_file(details: Message) -> int:
    """A memory file that holds `details`; the caller closes it."""
    fd = os.memfd_create("details", os.MFD_CLOEXEC)
    with open(fd, "wb", closefd=False) as file:
        file.write(json.dumps(details).encode())
    return fd


def read_details(fd: int) -> Message:
    """The details in a memory file, which is closed."""
    with open(fd, "rb") as file:
        file.seek(0)
        details: Message = json.load(file)
    return details
