"""Check whether the server would still start: combinations that a reload accepts and the next start does not.

Source: PostmasterMain() and StartupReplicationSlots() of PostgreSQL 14-18. pg_file_settings validates each
value alone, and finds none of these.
"""

from __future__ import annotations

from collections.abc import Sequence

from pgnb.core.checks import Check
from pgnb.postgres.config.settings import Setting
from pgnb.postgres.server import Server

_LOOKED_AT = (
    "wal_level",
    "archive_mode",
    "max_wal_senders",
    "max_replication_slots",
    "max_connections",
    "superuser_reserved_connections",
)
_LEVELS = ("minimal", "replica", "logical")


def startup_checks(server: Server, desired: Sequence[Setting]) -> list[Check]:
    """Check the values that the next start would use; no check if no desired setting matters for it."""
    libraries = [
        _library_check(server, setting) for setting in desired if setting.name == "shared_preload_libraries"
    ]
    if not any(setting.name in _LOOKED_AT for setting in desired):
        return libraries
    values = {item.name: item.value for item in server.settings(_LOOKED_AT)}
    values |= {setting.name: setting.desired.value for setting in desired if setting.desired}
    slots = server.fetch_one("slots_for_start")
    return [*libraries, *combination_checks(values, int(slots["slots"]), int(slots["logical_slots"]))]


def _library_check(server: Server, setting: Setting) -> Check:
    """Check that each library exists; those given with a path are not searched for."""
    names = [part.strip() for part in (setting.desired.value if setting.desired else "").split(",")]
    plain = [name.removeprefix("$libdir/").removesuffix(".so") for name in names if name]
    missing = server.query("missing_libraries", {"names": [name for name in plain if "/" not in name]})
    found = ", ".join(row["name"] for row in missing)
    return Check(
        "libraries at the next start",
        not found,
        f"missing: {found}" if found else "there",
        "there",
        "The server would not start: the image does not have this library.",
    )


def combination_checks(values: dict[str, str], slots: int, logical_slots: int) -> list[Check]:
    """Check settings by name and the number of existing slots."""
    level = _LEVELS.index(values["wal_level"])
    senders, room = int(values["max_wal_senders"]), int(values["max_replication_slots"])
    connections, reserved = int(values["max_connections"]), int(values["superuser_reserved_connections"])
    needed = 2 if logical_slots else 1 if slots or senders or values["archive_mode"] != "off" else 0
    return [
        Check(
            "wal_level at the next start",
            level >= needed,
            _LEVELS[level],
            f"at least {_LEVELS[needed]}",
            "Existing slots, archive_mode and max_wal_senders > 0 need it; otherwise the"
            " server would not start.",
        ),
        Check(
            "room for the slots at the next start",
            room >= slots,
            room,
            f"at least {slots}",
            "The server would not start with more slots than max_replication_slots.",
        ),
        Check(
            "connections at the next start",
            connections > reserved,
            connections,
            f"more than {reserved}",
            "superuser_reserved_connections must be below max_connections.",
        ),
    ]
