"""Change settings of a primary and its standbys while they run (sections 6.1 and 6.2), in a safe order.

One plan covers all servers: each gets its settings, the same in its ConfigMap, and a restart where a
setting needs it and the restart is allowed. One call undoes everything. The run's journal holds the
previous values, so that a later run can undo it, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pgnb.cluster import Right
from pgnb.core.checks import Checks
from pgnb.core.display import Cell, Table
from pgnb.core.plan import Applied, Change, Confirmation
from pgnb.online.drift import config_map_of, drift_checks
from pgnb.online.order import DesiredSettings, OrderedSettings, plan_order
from pgnb.online.previous_values import previous_values
from pgnb.online.safety import safety_checks
from pgnb.online.steps import ServerChange, Servers, follower_checks, restart_checks, steps_of
from pgnb.postgres import Server
from pgnb.postgres.config.configmap import plan_config_map
from pgnb.postgres.config.configure import plan_settings
from pgnb.postgres.config.restart import PARAMETER, plan_pending_restart, plan_restart, restart_rights
from pgnb.postgres.config.settings import Setting


@dataclass(frozen=True)
class ConfigMaps:
    """The ConfigMaps that keep the settings; an empty name is the one that the server's pod mounts."""

    primary: str = ""
    standbys: str = ""


_MOUNTED = ConfigMaps()


@dataclass(repr=False)
class OnlineChange(Change):
    """A plan over several servers: each setting's values, what it needs, and where it will be written."""

    servers: Servers | None = field(default=None, repr=False)
    changes: Sequence[ServerChange] = field(default=(), repr=False)
    config_maps: Mapping[Server, str] = field(default_factory=dict, repr=False)

    @property
    def diff(self) -> str:
        """The diffs of each server's files and ConfigMap, in the order of the plan."""
        return "\n".join(part.diff for one in self.changes for part in one.parts if part)

    @property
    def interrupts(self) -> bool:
        """Whether the primary will be restarted."""
        return any(bool(one.restart) for one in self.changes if one.server is self._primary)

    @property
    def _primary(self) -> Server | None:
        return self.servers.primary if self.servers else None

    @property
    def settings(self) -> Table:
        """One line for each setting of each server, in the order of the changes."""
        columns = ("server", "setting", "current", "desired", "context", "comes from", "written to", "order")
        rows = [self._row(one, setting) for one in self.changes for setting in one.found]
        return Table.of(columns, rows, title="Settings", note="" if rows else "No setting was given.")

    def _row(self, one: ServerChange, setting: Setting) -> tuple[object, ...]:
        desired = Cell(setting.desired_display, "good" if setting.met else "warn")
        return (
            one.server.name,
            setting.name,
            setting.display,
            desired,
            f"{setting.context}: {setting.needs}",
            _source(setting),
            _place(one, setting, self.config_maps.get(one.server, "")),
            one.ordered.order.get(setting.name, ""),
        )

    def apply(self) -> Applied:
        """Apply as every change does; each result names its server."""
        done = super().apply()
        if not done.changed:
            return done
        labels = (f"{step.target}: {step.what}" for step in self.steps)
        return replace(done, results=tuple(zip(labels, (result for _, result in done.results), strict=True)))

    def safety(self) -> Checks:
        """Check the side effects of the change, for a gate before it."""
        if self.servers is None:
            return Checks.of("What the new settings touch", [], self.journal)
        checks = safety_checks(self.servers.primary, [one.ordered for one in self.changes])
        checks += follower_checks(self.servers, self.changes) + restart_checks(self.servers, self.changes)
        rights = [right for one in self.changes for right in self._rights(one)]
        return checks + self.servers.primary.cluster.access_checks(rights) if rights else checks

    def _rights(self, one: ServerChange) -> Iterator[Right]:
        """Yield the rights that the change needs from the API server."""
        if one.restart:
            yield from restart_rights(one.server)
        if one.config:
            name = self.config_maps[one.server]
            yield Right("patch", "configmaps", why="to keep it in step with the server", name=name)

    def in_force(self) -> Checks:
        """Check each desired value in a new session; advice where a restart was not allowed."""
        items = []
        for one in self.changes:
            one.server.close_sessions()
            table = one.server.settings(one.ordered.desired)
            found = table.checks_for(restart_allowed=bool(one.restart))
            items += [replace(check, name=f"{one.server.name}: {check.name}") for check in found]
        return Checks.of("Settings in force", items, self.journal)

    def drift(self) -> Checks:
        """Compare the ConfigMaps with the servers, in both directions."""
        assert self.servers is not None
        return drift_checks(self.servers.primary, self.config_maps)

    def _repr_html_(self) -> str:
        return f"{self.settings._repr_html_()}<br>{super()._repr_html_()}"

    def __str__(self) -> str:
        return f"{self.settings}\n\n{super().__str__()}"

    __repr__ = __str__


def plan_online(
    primary: Server,
    standbys: Sequence[Server] = (),
    settings: DesiredSettings | None = None,
    standby_settings: DesiredSettings | None = None,
    *,
    config_maps: ConfigMaps = _MOUNTED,
    allow_restart: bool = False,
    undo_record: str = "",
    title: str = "online changes",
) -> OnlineChange:
    """Plan to give a primary `settings`, and each of its standbys `standby_settings`.

    A setting that needs only a reload is in force afterwards. One that needs a restart is written only with
    `allow_restart`; then each server that needs it is restarted once, a standby with higher limits before
    its primary, with lower limits after it. `undo_record` names the record of an earlier run: the desired
    values are then those from before that run. Raises ParameterError for a setting that the server refuses,
    or that would stop a standby's replay.
    """
    everyone = [primary, *standbys]
    if undo_record:
        desired: list[DesiredSettings] = list(previous_values(undo_record, everyone))
    else:
        desired = [settings or {}, *(standby_settings or {} for _ in standbys)]
    given = [config_maps.primary, *(config_maps.standbys for _ in standbys)]
    maps = {server: config_map_of(server, name) for server, name in zip(everyone, given, strict=True)}
    in_order = plan_order(primary, desired[0], list(zip(standbys, desired[1:], strict=True)))
    title = f"restore what {undo_record} changed" if undo_record else title
    return _assembled(
        title, Servers(primary, tuple(standbys)), _changes_of(in_order, maps, allow_restart), maps
    )


def _changes_of(
    in_order: Sequence[OrderedSettings], maps: Mapping[Server, str], allow_restart: bool
) -> list[ServerChange]:
    """Return each server's change; a ConfigMap that several servers share is changed with the first."""
    changes: list[ServerChange] = []
    shared: set[str] = set()
    for ordered in in_order:
        name = maps[ordered.server]
        changes.append(_change_of(ordered, "" if name in shared else name, allow_restart))
        shared.add(name)
    return changes


def _change_of(ordered: OrderedSettings, config_map: str, allow_restart: bool) -> ServerChange:
    server = ordered.server
    found = tuple(server.settings(ordered.desired))
    change = plan_settings(server, ordered.desired, write_restart=allow_restart)
    late = set() if allow_restart else {setting.name.lower() for setting in change.waiting}
    written = {name: value for name, value in ordered.desired.items() if name.lower() not in late}
    config = plan_config_map(server, config_map, written) if config_map and written else _nothing(server)
    restart = plan_pending_restart(server, ordered.desired, allow=allow_restart)
    return ServerChange(ordered, found, change, config, restart, change.places)


def _nothing(server: Server) -> Change:
    return Change(f"nothing for {server.name}", server.journal)


def _source(setting: Setting) -> str:
    """Return only the file's name, since the table also says where the value will be written."""
    return setting.source.rsplit("/", 1)[-1]


def _place(one: ServerChange, setting: Setting, config_map: str) -> str:
    """Return where the desired value will be written."""
    beside = f", configmap/{config_map}" if one.config else ""
    if setting.name in one.places:
        return f"{one.places[setting.name]}{beside}"
    if setting.met:
        return "no change"
    waits = setting.needs == "restart" and not one.restart
    return f"not yet: needs {PARAMETER}" if waits else "its file already has it"


def _assembled(
    title: str, servers: Servers, changes: Sequence[ServerChange], maps: Mapping[Server, str]
) -> OnlineChange:
    parts = [part for one in changes for part in one.parts if part]
    waits = [f"{b.server.name}: {b.restart.note}" for b in changes if not b.restart and _waiting(b)]
    change = OnlineChange(
        title,
        servers.primary.journal,
        steps=steps_of(servers, changes),
        note=" ".join(waits),
        undo_text="in reverse order, each server's files and ConfigMap as they are now" if parts else "",
        confirmations=_confirmations(parts),
        undo=lambda: _undo(title, servers, changes, maps),
        servers=servers,
        changes=changes,
        config_maps=maps,
    )
    change.precheck = lambda: _precheck(change, parts)
    return change


def _waiting(one: ServerChange) -> bool:
    return any(not setting.met and setting.needs == "restart" for setting in one.found)


def _confirmations(parts: Sequence[Change]) -> list[Confirmation]:
    """Return one confirmation for each parameter, with the reasons of all servers."""
    reasons: dict[tuple[str, object], list[str]] = {}
    for asked in (asked for part in parts for asked in part.confirmations):
        reasons.setdefault((asked.parameter, asked.value), []).append(asked.why)
    return [Confirmation(name, value, " ".join(dict.fromkeys(why))) for (name, value), why in reasons.items()]


def _precheck(change: OnlineChange, parts: Sequence[Change]) -> Checks:
    checks = change.safety()
    for part in parts:
        checks = checks + part.precheck() if part.precheck else checks
    return checks


def _undo(
    title: str, servers: Servers, changes: Sequence[ServerChange], maps: Mapping[Server, str]
) -> OnlineChange:
    """Return the undo of the parts that were applied, also if the change stopped halfway."""
    back = [_reversed(one) for one in reversed(changes) if one.done]
    return _assembled(f"undo: {title}", servers, back, maps)


def _reversed(one: ServerChange) -> ServerChange:
    server = one.server
    ordered = OrderedSettings(server, dict(one.previous))
    restart = _nothing(server)
    if one.was_applied(one.restart):
        restart = plan_restart(server, reason="its previous settings need it")
    return ServerChange(
        ordered,
        tuple(server.settings(ordered.desired)),
        _undo_of(one, one.settings),
        _undo_of(one, one.config),
        restart,
        one.places,
    )


def _undo_of(one: ServerChange, part: Change) -> Change:
    return part.undo() if one.was_applied(part) and part.undo else _nothing(one.server)
