"""Find out on the primary whether a standby streams with its slot and application_name."""

from __future__ import annotations

from pgnb.core.wait import wait_until
from pgnb.physical.slots import slots
from pgnb.physical.status import senders
from pgnb.postgres import Server

STREAM = 60.0
"""Seconds within which a standby that accepts connections should stream."""


def streaming(primary: Server, slot: str, application_name: str) -> str:
    """Describe the standby's stream; empty until it streams."""
    found = slots(primary).find(slot)
    for sender in senders(primary):
        ours = sender.application_name == application_name and sender.streaming
        if ours and found is not None and found.active_pid == sender.pid:
            return f"streams from {slot} at {sender.sent_lsn}"
    return ""


def wait_streaming(primary: Server, slot: str, application_name: str, timeout: float = STREAM) -> str:
    """Wait until it streams, and describe its stream. Raises DeadlineExceeded."""
    return wait_until(
        f"{application_name} to stream from {slot}",
        lambda: streaming(primary, slot, application_name),
        bool,
        timeout=timeout,
        every=0.2,
        describe=lambda words: words or "not yet",
        remedy="Read the standby's log: it names pg_hba.conf, password, slot or timeline.",
    )
