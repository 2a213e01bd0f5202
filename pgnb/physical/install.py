"""Turn a base backup into a standby's data directory: configure it, test the configuration, swap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pgnb.cluster import Helper
from pgnb.core.errors import ChangeFailed, ExecFailed, ServerError
from pgnb.core.texts import decoded
from pgnb.physical import scripts
from pgnb.physical.sizing import STANDBY_LIMITS
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
_TESTED = (*STANDBY_LIMITS, "hot_standby")


@dataclass(frozen=True)
class Role:
    """A standby's role: the source of its WAL, its slot, and its settings."""

    connection: str
    slot: str
    settings: Mapping[str, str]
    standby_limits: Mapping[str, int]
    """The primary's values of the limits that a standby must not be below."""


def install(
    helper: Helper, target: Target, role: Role, bin_dir: str, directory: str, *, goes: str = "former"
) -> str:
    """Configure the new directory, test the configuration, and swap the directories.

    No swap is needed if a run was killed after its swap; then `directory` is the data directory. `goes`
    says what is removed if old data are beside the data directory: those (`former`), or the `unused` base
    backup in place. The role is written only to postgresql.auto.conf, since that file overrides every
    other. The settings are written to the managed file that postgresql.conf includes, if the server reads
    it. Raises ChangeFailed; then the data directory is still the old one.
    """
    configure(helper, directory, role, elsewhere=target.configured_elsewhere)
    assert_startable(helper, target, role, bin_dir, directory)
    if directory != target.directory:
        helper.exec(
            scripts.argv("outside", "clear", "swap", args=(target.directory, target.root, goes)),
            timeout=600,
            changes=f"replace {target.directory} by {directory}",
        )
    return "configured and in place; an old directory stays beside it until the standby streams"


def configure(helper: Helper, directory: str, role: Role, *, elsewhere: bool = False) -> None:
    """Write role and settings into a data directory on which no server runs.

    The write block of an unfinished switchover is removed: after a promotion it would refuse clients'
    writes. `elsewhere`: the server reads another postgresql.conf (`-c config_file=…`), which does not
    include the managed file; then the settings are written beside the role.
    """
    path = f"{directory}/postgresql.auto.conf"
    auto, main = _read(helper, path), _read(helper, f"{directory}/postgresql.conf")
    standing = settings_of(auto)
    kept = without(auto, _STOPS_WRITES)
    # The copy holds the primary's ALTER SYSTEM settings, which override the managed file.
    in_auto = {
        name: value
        for name, value in role.settings.items()
        if elsewhere or not main or name.lower() in standing
    }
    desired = {"primary_conninfo": role.connection, "primary_slot_name": role.slot, **in_auto}
    _write(helper, path, auto, with_settings(kept, desired))
    if main and not elsewhere and role.settings:
        in_file = {name: value for name, value in role.settings.items() if name not in in_auto}
        _include(helper, directory, main, in_file)


def _include(helper: Helper, directory: str, main: str, settings: Mapping[str, str]) -> None:
    """Write the settings to the managed file, and include it at the end of the main file."""
    own = _read(helper, f"{directory}/{MANAGED_FILE}")
    _write(helper, f"{directory}/{MANAGED_FILE}", own, with_managed_settings(own, settings))
    names = frozenset(name.lower() for name in settings)
    _write(helper, f"{directory}/postgresql.conf", main, with_include(main, names))


def assert_startable(helper: Helper, target: Target, role: Role, bin_dir: str, directory: str) -> None:
    """Test a directory's configuration with the server's program. Raises ChangeFailed with its message."""
    if not _read(helper, f"{directory}/postgresql.conf"):
        return
    arguments = (directory, bin_dir, ",".join(_TESTED), *target.options())
    try:
        text = helper.exec(scripts.argv("values", args=arguments)).text
    except ExecFailed as failure:
        raise ChangeFailed(
            "the standby would not start with its configuration",
            found=failure.found,
            remedy="Correct the standby's ConfigMap (section 3.1) and run this again.",
        ) from failure
    values = scripts.key_values(text)
    low = [
        f"{name} = {values[name]}, the primary has {least}"
        for name, least in role.standby_limits.items()
        if int(values.get(name, least)) < least
    ]
    if low or values.get("hot_standby") != "on":
        raise ChangeFailed(
            "with its configuration the standby would stop replaying, or accept no connections",
            found="; ".join(low) or f"hot_standby = {values.get('hot_standby')}",
            remedy="Correct the standby's ConfigMap, or the arguments of its container (section 3.1).",
        )


def _read(helper: Helper, path: str) -> str:
    result = helper.exec(["cat", "--", path], check=False)
    return decoded(result.stdout, path, error=ServerError) if result.exit_status == 0 else ""


def _write(helper: Helper, path: str, before: str, after: str) -> None:
    if before != after:
        helper.exec(scripts.argv("write", args=(path,)), stdin=after.encode(), changes=f"write {path}")
