"""From a base backup to a standby's data directory: its configuration, a trial of it, and the swap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pgnb.cluster import Helper
from pgnb.core.errors import ChangeFailed, ExecFailed, ServerError
from pgnb.core.texts import decoded
from pgnb.physical import scripts
from pgnb.physical.sizing import FIVE
from pgnb.physical.target import Target
from pgnb.postgres.config.conftext import (
    MANAGED_FILE,
    settings_of,
    with_include,
    with_managed_settings,
    with_settings,
    without,
)

_STOPS_WRITES = ("default_transaction_read_only",)
_TRIED = (*FIVE, "hot_standby")


@dataclass(frozen=True)
class Role:
    """What makes a server this standby: where it gets WAL from, through which slot, and its settings."""

    connection: str
    slot: str
    settings: Mapping[str, str]
    five: Mapping[str, int]
    """The primary's five settings, which the standby must not be below."""


def install(
    helper: Helper, target: Target, role: Role, bin_dir: str, directory: str, *, goes: str = "former"
) -> str:
    """Configure the new directory, try the configuration, and put the directory in its place.

    It stands in its place already (`directory` is the data directory) where a run was killed behind the swap.
    `goes` says what is removed where former data lie beside the data directory: those, or the `unused` base
    backup that is in place.
    The role stands in postgresql.auto.conf and nowhere else, since that file beats every other; the
    settings in the managed file that postgresql.conf includes, where the server reads that one. Raises
    ChangeFailed; then the data directory is still the old one.
    """
    configure(helper, directory, role, elsewhere=target.configured_elsewhere)
    assert_startable(helper, target, role, bin_dir, directory)
    if directory != target.directory:
        helper.exec(
            scripts.argv("outside", "clear", "swap", args=(target.directory, target.root, goes)),
            timeout=600,
            changes=f"put {directory} in the place of {target.directory}",
        )
    return "configured and in place; a former directory stays beside it until the standby streams"


def configure(helper: Helper, directory: str, role: Role, *, elsewhere: bool = False) -> None:
    """Write role and settings into a data directory that no server runs on.

    What an unfinished switchover stopped writes by goes: a standby writes nothing, and as a primary it would
    refuse its clients. `elsewhere`: the server reads another postgresql.conf than the directory's
    (`-c config_file=…`), which knows nothing of the managed file; then the settings stand beside the role.
    """
    path = f"{directory}/postgresql.auto.conf"
    auto, main = _read(helper, path), _read(helper, f"{directory}/postgresql.conf")
    standing = settings_of(auto)
    kept = without(auto, _STOPS_WRITES)
    # What the primary set by ALTER SYSTEM came along with its data, and would win over the managed file.
    in_auto = {
        name: value
        for name, value in role.settings.items()
        if elsewhere or not main or name.lower() in standing
    }
    wished = {"primary_conninfo": role.connection, "primary_slot_name": role.slot, **in_auto}
    _write(helper, path, auto, with_settings(kept, wished))
    if main and not elsewhere and role.settings:
        in_file = {name: value for name, value in role.settings.items() if name not in in_auto}
        _include(helper, directory, main, in_file)


def _include(helper: Helper, directory: str, main: str, settings: Mapping[str, str]) -> None:
    """The managed file with these settings, and the main file including it at its end."""
    own = _read(helper, f"{directory}/{MANAGED_FILE}")
    _write(helper, f"{directory}/{MANAGED_FILE}", own, with_managed_settings(own, settings))
    names = frozenset(name.lower() for name in settings)
    _write(helper, f"{directory}/postgresql.conf", main, with_include(main, names))


def assert_startable(helper: Helper, target: Target, role: Role, bin_dir: str, directory: str) -> None:
    """Let the server's own program read a directory's configuration. Raises ChangeFailed with its words."""
    if not _read(helper, f"{directory}/postgresql.conf"):
        return
    arguments = (directory, bin_dir, ",".join(_TRIED), *target.options())
    try:
        text = helper.exec(scripts.argv("values", args=arguments)).text
    except ExecFailed as failure:
        raise ChangeFailed(
            "the standby would not start with its configuration",
            found=failure.found,
            remedy="Correct the standby's ConfigMap (section 3.1) and run this again.",
        ) from failure
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    low = [
        f"{name} = {values[name]}, the primary has {least}"
        for name, least in role.five.items()
        if int(values.get(name, least)) < least
    ]
    if low or values.get("hot_standby") != "on":
        raise ChangeFailed(
            "the standby would stop replaying, or serve no reader, with its configuration",
            found="; ".join(low) or f"hot_standby = {values.get('hot_standby')}",
            remedy="See the standby's ConfigMap and the arguments of its container (section 3.1).",
        )


def _read(helper: Helper, path: str) -> str:
    result = helper.exec(["cat", "--", path], check=False)
    return decoded(result.stdout, path, error=ServerError) if result.exit_status == 0 else ""


def _write(helper: Helper, path: str, before: str, after: str) -> None:
    if before != after:
        helper.exec(scripts.argv("write", args=(path,)), stdin=after.encode(), changes=f"write {path}")
