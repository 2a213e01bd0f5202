"""Times as the Kubernetes API writes them (RFC 3339, UTC, whole seconds or microseconds)."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """The present time as `metav1.Time` is written: whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now_micro() -> str:
    """The present time as `metav1.MicroTime` is written: six decimals."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 time; raises ValueError when it is none."""
    return datetime.fromisoformat(text).timestamp()


def age(text: str) -> float:
    """Seconds since the RFC 3339 time `text` (negative when it lies ahead)."""
    return datetime.now(UTC).timestamp() - parse(text)
