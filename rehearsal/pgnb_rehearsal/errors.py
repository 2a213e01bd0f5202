"""What the rehearsal cluster raises."""

from __future__ import annotations

from pgnb.core.errors import PgnbError


class RehearsalError(PgnbError):
    """The rehearsal cluster cannot start or stop on this machine."""
