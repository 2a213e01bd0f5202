"""How long to wait before something is tried again.

Kubernetes, "Pod Lifecycle: Container restart policy": the first restart at once, then 10 s, doubled up to
300 s, and forgotten after 10 minutes without a failure.
"""

from __future__ import annotations

CRASH_FIRST = 10.0
CRASH_MOST = 300.0
FORGOTTEN_AFTER = 600.0
MOUNT_FIRST = 0.5
MOUNT_MOST = 122.0


class BackOff:
    """The pauses after failures in a row, in seconds."""

    def __init__(self, first: float = CRASH_FIRST, most: float = CRASH_MOST, *, at_once: bool = True) -> None:
        self._first = first
        self._most = most
        self._at_once = at_once
        self._next = 0.0 if at_once else first

    def pause(self, lasted: float = 0.0) -> float:
        """The pause before the next try, when the latest one failed after `lasted` seconds."""
        if lasted >= FORGOTTEN_AFTER:
            self._next = 0.0 if self._at_once else self._first
        now = self._next
        self._next = min(now * 2, self._most) if now else self._first
        return now


def spelled(seconds: float) -> str:
    """Seconds as Go prints a Duration of whole seconds: 10s, 1m20s, 5m0s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
