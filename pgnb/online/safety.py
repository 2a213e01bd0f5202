"""What a change of settings may do beside what it is for: WAL that fills the volume, a slot that is lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pgnb.core.checks import Check, Checks
from pgnb.core.display import format_bytes
from pgnb.observe.retention import wal_space
from pgnb.online.order import Stage
from pgnb.physical.slot_checks import cap_checks
from pgnb.postgres import Server
from pgnb.postgres.config.settings import Setting

_KEPT = "wal_keep_size"
CAP = "max_slot_wal_keep_size"
_FEEDBACK = "hot_standby_feedback"
_WATCHED = (_KEPT, CAP, _FEEDBACK)
_MB = 1024**2


def safety_checks(primary: Server, stages: Sequence[Stage]) -> Checks:
    """Checks of the wishes that can hurt elsewhere; what would do harm stops, the rest is advice."""
    items = [check for stage in stages if stage.server.present for check in _of_stage(primary, stage)]
    if not items:
        items = [Check("side effects", True, "none of the watched settings changes", ", ".join(_WATCHED))]
    return Checks.of("What the new settings touch", items, primary.journal)


def _of_stage(primary: Server, stage: Stage) -> Iterable[Check]:
    wished = {name: value for name, value in stage.wishes.items() if name.lower() in _WATCHED}
    changed = {s.name: s for s in (stage.server.settings(wished) if wished else ()) if not s.met}
    if _KEPT in changed:
        yield from _room_checks(stage.server, changed[_KEPT])
    if CAP in changed:
        yield from cap_checks(stage.server, _bytes(changed[CAP]))
    if _FEEDBACK in changed and stage.server is not primary:
        yield from _feedback_checks(primary, stage.server, changed)


def _bytes(setting: Setting) -> int | None:
    """The wished size; None stands for no limit (-1)."""
    size = int(setting.desired.value if setting.desired else setting.value)
    return None if size < 0 else size * _MB


def _room_checks(server: Server, setting: Setting) -> Iterable[Check]:
    """wal_keep_size is a floor: so much WAL will lie there, slot or no slot (fact 27)."""
    space, wanted = wal_space(server), _bytes(setting) or 0
    held = int(server.scalar("SELECT coalesce(sum(size), 0) FROM pg_catalog.pg_ls_waldir()") or 0)
    if space is not None:
        yield Check(
            f"room for {_KEPT} on {server.name}",
            wanted <= held + space.free,
            f"pg_wal {format_bytes(held)}, free {format_bytes(space.free)}",
            format_bytes(wanted),
            "That much WAL will stay on the volume: wish for less, or enlarge it first.",
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
    """Feedback keeps rows from vacuum on the primary; a slot remembers it when the standby is gone (28)."""
    wish = changed[_FEEDBACK].desired
    if wish is None or wish.value != "on":
        return
    oldest = primary.scalar("SELECT max(pg_catalog.age(xmin)) FROM pg_catalog.pg_replication_slots")
    delay = standby.settings(["max_standby_streaming_delay"])["max_standby_streaming_delay"].shown
    yield Check(
        f"{_FEEDBACK} on {standby.name}",
        False,
        f"oldest xmin of a slot: {oldest or 'none'}",
        "watched: see 07 and 10",
        f"Long queries there will hold back vacuum here, also after the standby stops: its slot keeps xmin."
        f" The other way is max_standby_streaming_delay (now {delay}), which lets replay wait instead.",
        advice=True,
    )
