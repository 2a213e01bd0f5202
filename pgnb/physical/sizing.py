"""The settings of a hot standby that must not be lower than its primary's, and its other settings."""

from __future__ import annotations

from collections.abc import Mapping

from pgnb.core.checks import Check
from pgnb.core.errors import ParameterError
from pgnb.postgres import Server

Value = str | int | bool
STANDBY_LIMITS = (
    "max_connections",
    "max_worker_processes",
    "max_wal_senders",
    "max_prepared_transactions",
    "max_locks_per_transaction",
)
"""If one is lower than the primary's, replay pauses or the start fails (the manual, "Hot Standby")."""


def standby_limits(server: Server) -> dict[str, int]:
    """Read these settings of a server; empty if it does not exist yet."""
    return {row["name"]: row["value"] for row in server.query("physical/sizing")}


def standby_settings(primary: Server, extra: Mapping[str, Value] | None = None) -> dict[str, Value]:
    """Return the settings for the standby's ConfigMap: hot_standby, the primary's limits, and `extra`.

    Raises ParameterError if `extra` has a limit below the primary's.
    """
    return checked(primary, {"hot_standby": "on", **standby_limits(primary), **(extra or {})})


def checked(primary: Server, desired: Mapping[str, Value]) -> dict[str, Value]:
    """Return a standby's settings if it would start with them, replay and accept connections.

    Names and values are checked by the primary's pg_settings. Raises ParameterError.
    """
    least = standby_limits(primary)
    tuple(primary.settings(desired))
    for name in STANDBY_LIMITS:
        if name in least and name in desired and _number(name, desired[name]) < least[name]:
            raise ParameterError(
                f"{name} of a standby must not be lower than its primary's",
                found=f"{name} = {desired[name]}, the primary has {least[name]}",
                remedy="Replay would pause, and the next start would fail. Lower it on the primary first.",
            )
    hot = desired.get("hot_standby", "on")
    if str(hot).lower() not in ("on", "true", "yes", "1"):
        raise ParameterError(
            "a standby with hot_standby off accepts no connections", found=f"hot_standby = {hot}"
        )
    return dict(desired)


def _number(name: str, value: Value) -> int:
    try:
        return int(value)
    except ValueError:
        raise ParameterError(f"{name} must be a whole number", found=repr(value)) from None


def standby_limit_checks(primary: Server, standby: Server) -> list[Check]:
    """Return one check for each limit below the primary's, or one check that none is."""
    least, found = standby_limits(primary), standby_limits(standby)
    low = [name for name in STANDBY_LIMITS if name in least and found.get(name, 0) < least[name]]
    if not low:
        return [Check("hot standby limits", True, "none is lower than the primary's", "≥ the primary's")]
    return [
        Check(
            name,
            False,
            found.get(name),
            f"≥ {least[name]}",
            "Raise it in the standby's configuration and restart the standby. Until then replay pauses.",
        )
        for name in low
    ]
