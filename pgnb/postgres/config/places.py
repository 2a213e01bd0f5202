"""Check where the configuration is stored, whether that outlives the pod, and the room for WAL.

A file on an emptyDir, or in the image's own layer, is created anew for the next pod: what is written there is
lost with this one. PostgreSQL reads postgresql.auto.conf in the data directory last, and that one is kept
with the data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pgnb.cluster.quantity import quantity
from pgnb.core.checks import Check, Checks
from pgnb.core.display import format_bytes
from pgnb.core.errors import ParameterError, QueryFailed
from pgnb.postgres.config.files import look_at, read_file
from pgnb.postgres.config.hbarule import HbaRule
from pgnb.postgres.config.hbatext import with_rules
from pgnb.postgres.config.settings import Setting
from pgnb.postgres.config.values import Wanted
from pgnb.postgres.disk import space_of
from pgnb.postgres.server import Server

_CAP, _KEPT, _BETWEEN = "max_slot_wal_keep_size", "wal_keep_size", "max_wal_size"
_MB = 1024 * 1024
GENERATED = (
    "Change it where the file is generated: the ConfigMap, the chart's values (Bitnami's"
    " primary.pgHbaConfiguration and primary.extendedConfiguration), or the init container"
    " that fills the volume. Then run this again: what the file then contains is kept."
)


def configuration_checks(server: Server, wanted: Mapping[str, Wanted], rules: Sequence[HbaRule]) -> Checks:
    """Check, before the first change, that settings and rules can be stored where the next start reads them.

    Also checks that the WAL that slots may keep fits on the volume. Changes nothing. Raises QueryFailed,
    ExecFailed, and ParameterError for unknown settings.
    """
    if not server.present:
        return Checks.of("before the first change", [], server.journal)
    settings, facts = tuple(server.settings(wanted)), server.facts
    items = cap_checks(server, settings)
    if facts.config_file and facts.hba_file:  # A login that may not see them gets the error of each plan.
        items = [_settings_check(server, settings), _rules_check(server, rules), *items]
    return Checks.of(f"before the first change of {server.name}", items, server.journal)


def _settings_check(server: Server, settings: Sequence[Setting]) -> Check:
    facts, path = server.facts, server.facts.config_file
    place = look_at(server, path)
    unmet = [setting.name for setting in settings if not setting.met]
    usable, by_system = place.writable and place.persistent, facts.allow_alter_system
    found = path if usable else f"ALTER SYSTEM, since {path} {place.summary}" if by_system else place.summary
    return Check(
        "where settings are stored",
        usable or by_system or not unmet,
        found or "writable",
        "a file that outlives the pod",
        GENERATED,
    )


def _rules_check(server: Server, rules: Sequence[HbaRule]) -> Check:
    path = server.facts.hba_file
    place, text = look_at(server, path), read_file(server, path) or ""
    stand = with_rules(text, [rule.checked() for rule in rules]) == text
    mount = server.pod.mount_of(path)
    mapped = mount is not None and mount.source == "configMap" and not mount.sub_path
    fits = stand or mapped or (place.writable and place.persistent)
    found = f"{path}, every rule is in it" if stand else f"{path} {place.summary}".strip()
    return Check(
        "where rules of pg_hba.conf are stored", fits, found, "a file that outlives the pod", GENERATED
    )


def assert_persistent(server: Server, path: str) -> None:
    """Raise ParameterError if the next pod would not have what is written to a file."""
    place = look_at(server, path)
    if not place.persistent:
        raise ParameterError(
            f"{path} of {server.name} does not outlive the pod", found=place.summary, remedy=GENERATED
        )


def cap_checks(server: Server, settings: Sequence[Setting]) -> list[Check]:
    """Check the WAL that slots may keep against the volume; no check if no setting changes it."""
    names = (_CAP, _KEPT, _BETWEEN)
    touched = [setting for setting in settings if setting.desired and setting.name in names]
    if not touched or not server.present:
        return []
    values = {item.name: item.value for item in server.settings(names)}
    values |= {s.name: s.desired.value for s in touched if s.desired and not s.met}
    cap, kept, between = (int(values[name]) * _MB for name in names)
    if cap < 0:
        return []
    size, room = _volume(server)
    need = max(cap, kept) + between
    return [
        Check(
            "the cap is smaller than the volume",
            cap <= size,
            format_bytes(cap),
            f"at most {format_bytes(size)}",
            f"Lower {_CAP}, or enlarge the volume: otherwise WAL that slots keep fills it first.",
        ),
        Check(
            "room for all WAL that may be kept",
            need <= room,
            f"room for {format_bytes(room)}",
            f"{format_bytes(need)} ({_CAP} or {_KEPT}, and {_BETWEEN})",
            f"Lower {_CAP}, or enlarge the volume: a full volume stops the primary.",
            advice=True,
        ),
    ]


def _volume(server: Server) -> tuple[int, int]:
    """Return the size of the volume of pg_wal, and its room for WAL, existing WAL included, in bytes.

    The claim's size counts if the file system is larger, because not every provisioner limits it.
    """
    wal = f"{server.facts.data_directory}/pg_wal"
    real = server.cluster.exec(server.pod, ["readlink", "-f", wal]).text.strip()
    space, volume = space_of(server, wal), server.cluster.volume(server.pod, real)
    size = min(space.size, int(quantity(volume.size))) if volume.size else space.size
    try:
        used = server.fetch_one("physical/volume")
    except QueryFailed:  # For a login without pg_monitor, existing WAL does not count as room.
        return size, min(space.free, size)
    data = 0 if real != wal else int(used["data_bytes"])
    return size, min(space.free + int(used["wal_bytes"]), size - data)
