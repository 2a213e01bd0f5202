"""The protocol of exec and port-forward over a WebSocket: bytes on numbered channels, no I/O.

Source: the Kubernetes API's `v4.channel.k8s.io` and `v5.channel.k8s.io` subprotocols. The first byte of each
message is its channel.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

V5 = "v5.channel.k8s.io"
V4 = "v4.channel.k8s.io"
STDIN, STDOUT, STDERR, STATUS, CLOSE = 0, 1, 2, 3, 255
PIECE = 64 * 1024
"""Bytes of one message to a container."""


def message(channel: int, data: bytes) -> bytes:
    """Return the bytes of one message."""
    return bytes((channel,)) + data


END_OF_STDIN = message(CLOSE, bytes((STDIN,)))
"""The half-close of stdin, which v5 has and v4 lacks."""


@dataclass
class Output:
    """The output of a command so far, and how it ended once channel 3 has said so."""

    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    status: Mapping[str, Any] | None = None

    def take(self, data: bytes) -> None:
        """Add one message to the channel that it names."""
        channel, content = data[0], data[1:]
        if channel == STDOUT:
            self.stdout += content
        elif channel == STDERR:
            self.stderr += content
        elif channel == STATUS:
            self.status = json.loads(content)

    @property
    def exit_status(self) -> int | None:
        """0 to 255; None if the stream ended without one, or with an error of the node."""
        if self.status is None:
            return None
        if self.status.get("status") == "Success":
            return 0
        causes = (self.status.get("details") or {}).get("causes") or []
        codes = [cause["message"] for cause in causes if cause.get("reason") == "ExitCode"]
        return int(codes[0]) if codes else None

    @property
    def complaint(self) -> str:
        """The node's error text if the command could not be run."""
        return str((self.status or {}).get("message", "")) if self.exit_status is None else ""


def bounded(argv: tuple[str, ...], length: int) -> tuple[str, ...]:
    """Return `argv` wrapped so that its stdin ends after `length` bytes.

    v4 cannot close stdin. The script is constant; the command stays a list of arguments that no shell parses.
    """
    return ("sh", "-c", 'length=$1; shift; head -c "$length" | "$@"', "sh", str(length), *argv)
