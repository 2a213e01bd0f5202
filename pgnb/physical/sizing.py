"""The settings that a hot standby must not have lower than its primary, and those that make it one."""

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
"""Lower on the standby than on the primary, replay pauses or the start fails (the manual, 27.4.3)."""


def standby_limits(server: Server) -> dict[str, int]:
    """The five settings of one server; nothing from one that is not there yet."""
    return {row["name"]: row["value"] for row in server.query("physical/sizing")}


def standby_settings(primary: Server, extra: Mapping[str, Value] | None = None) -> dict[str, Value]:
    """What the standby's ConfigMap should say: hot_standby, the primary's five, and the operator's `extra`.

    Raises ParameterError when `extra` puts one of the five below the primary's.
    """
    return checked(primary, {"hot_standby": "on", **standby_limits(primary), **(extra or {})})


def checked(primary: Server, wished: Mapping[str, Value]) -> dict[str, Value]:
    """A standby's settings, when it would start with them, replay and serve readers.

    Names and values are held against the primary's own pg_settings. Raises ParameterError.
    """
    least = standby_limits(primary)
    tuple(primary.settings(wished))
    for name in STANDBY_LIMITS:
        if name in least and name in wished and _number(name, wished[name]) < least[name]:
            raise ParameterError(
                f"{name} of a standby must not be lower than its primary's",
                found=f"{name} = {wished[name]}, the primary has {least[name]}",
                remedy="Replay would pause and the next start fail. Lower it on the primary first.",
            )
    hot = wished.get("hot_standby", "on")
    if str(hot).lower() not in ("on", "true", "yes", "1"):
        raise ParameterError("a standby with hot_standby off serves no reader", found=f"hot_standby = {hot}")
    return dict(wished)


def _number(name: str, value: Value) -> int:
    try:
        return int(value)
    except ValueError:
        raise ParameterError(f"{name} must be a whole number", found=repr(value)) from None


def standby_limit_checks(primary: Server, standby: Server) -> list[Check]:
    """One check for each of the five that the standby has lower, or one that says that none is."""
    least, found = standby_limits(primary), standby_limits(standby)
    low = [name for name in STANDBY_LIMITS if name in least and found.get(name, 0) < least[name]]
    if not low:
        return [Check("the five settings", True, "none is lower than the primary's", "≥ the primary's")]
    return [
        Check(
            name,
            False,
            found.get(name),
            f"≥ {least[name]}",
            "Raise it in the standby's configuration and restart the standby; replay pauses until then.",
        )
        for name in low
    ]
