"""Side effects of new settings: WAL that fills the volume, a slot that is lost, rows that vacuum keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pgnb.core.checks import Check, Checks
from pgnb.core.display import format_bytes
from pgnb.observe.retention import wal_space
from pgnb.online.order import OrderedSettings
from pgnb.physical.slot_checks import cap_checks
from pgnb.postgres import Server
from pgnb.postgres.config.settings import Setting

_KEPT = "wal_keep_size"
CAP = "max_slot_wal_keep_size"
_FEEDBACK = "hot_standby_feedback"
_WATCHED = (_KEPT, CAP, _FEEDBACK)
_MB = 1024**2


def safety_checks(primary: Server, everyone: Sequence[OrderedSettings]) -> Checks:
    """Check the desired settings for side effects; harm stops the run, the rest is advice."""
    items = [check for one in everyone if one.server.present for check in _of_server(primary, one)]
    if not items:
        items = [Check("side effects", True, "none of the watched settings changes", ", ".join(_WATCHED))]
    return Checks.of("What the new settings touch", items, primary.journal)


def _of_server(primary: Server, ordered: OrderedSettings) -> Iterable[Check]:
    server = ordered.server
    watched = {name: value for name, value in ordered.desired.items() if name.lower() in _WATCHED}
    changed = {s.name: s for s in (server.settings(watched) if watched else ()) if not s.met}
    if _KEPT in changed:
        yield from _room_checks(server, changed[_KEPT])
    if CAP in changed:
        yield from cap_checks(server, _bytes(changed[CAP]))
    if _FEEDBACK in changed and server is not primary:
        yield from _feedback_checks(primary, server, changed)


def _bytes(setting: Setting) -> int | None:
    """Return the desired size; None for no limit (-1)."""
    size = int(setting.desired.value if setting.desired else setting.value)
    return None if size < 0 else size * _MB


def _room_checks(server: Server, setting: Setting) -> Iterable[Check]:
    """Check the room for wal_keep_size: that much WAL stays, with or without slots (fact 27)."""
    space, desired = wal_space(server), _bytes(setting) or 0
    held = int(server.scalar("SELECT coalesce(sum(size), 0) FROM pg_catalog.pg_ls_waldir()") or 0)
    if space is not None:
        yield Check(
            f"room for {_KEPT} on {server.name}",
            desired <= held + space.free,
            f"pg_wal {format_bytes(held)}, free {format_bytes(space.free)}",
            format_bytes(desired),
            "That much WAL will stay on the volume: set a smaller size, or enlarge the volume first.",
        )
    slots = int(server.scalar("SELECT count(*) FROM pg_catalog.pg_replication_slots") or 0)
    yield Check(
        f"{_KEPT} is needed",
        not slots,
        f"{slots} slots keep WAL already",
        "a standby without a slot",
        f"With slots it is redundant: the limit that matters is {CAP}.",
        advice=True,
    )


def _feedback_checks(primary: Server, standby: Server, changed: Mapping[str, Setting]) -> Iterable[Check]:
    """Warn of hot_standby_feedback: the primary keeps dead rows, also after the standby stops (fact 28)."""
    desired = changed[_FEEDBACK].desired
    if desired is None or desired.value != "on":
        return
    oldest = primary.scalar("SELECT max(pg_catalog.age(xmin)) FROM pg_catalog.pg_replication_slots")
    delay = standby.settings(["max_standby_streaming_delay"])["max_standby_streaming_delay"].shown
    yield Check(
        f"{_FEEDBACK} on {standby.name}",
        False,
        f"oldest xmin of a slot: {oldest or 'none'}",
        "watched: see 07 and 10",
        "Long queries there will hold back vacuum on the primary, also after the standby stops: its"
        " slot keeps"
        f" xmin. The alternative is max_standby_streaming_delay (now {delay}), which lets replay wait"
        " instead.",
        advice=True,
    )
