"""Who of this machine holds the other end of a connection on loopback (proc(5), /proc/net/tcp)."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

_TABLE = Path("/proc/net/tcp")
Address = tuple[str, int]


def is_own(peer: Address, here: Address) -> bool:
    """Whether the connection from `peer` to `here`, both IPv4 on loopback, was made by this process' user.

    False also where the kernel does not say: who cannot be identified is nobody.
    """
    return _owner(peer, here) == os.geteuid()


def _owner(peer: Address, here: Address) -> int | None:
    """The user id of the socket whose own address is `peer` and whose remote address is `here`."""
    wanted = [_spelled(peer), _spelled(here)]
    try:
        lines = _TABLE.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return None  # no Linux, or no /proc
    return next((int(f[7]) for f in map(str.split, lines) if f[1:3] == wanted), None)


def _spelled(address: Address) -> str:
    """As the table has it: the address in the machine's byte order, and the port, both in hexadecimal."""
    host, port = address
    number = int.from_bytes(socket.inet_aton(host), sys.byteorder)
    return f"{number:08X}:{port:04X}"
