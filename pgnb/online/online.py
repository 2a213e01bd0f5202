"""Changing settings of a primary and its standbys while they run (sections 6.1 and 6.2), in a safe order.

One plan for all servers: each gets its settings, its ConfigMap in step with them, and, where it is allowed
and a setting waits for it, a restart. One call puts everything back, and the run's journal holds the former
values, so that a later run can do the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pgnb.cluster import Right
from pgnb.core.checks import Checks
from pgnb.core.display import Cell, Table
from pgnb.core.plan import Applied, Change, Confirmation
from pgnb.online.drift import config_map_of, drift_checks
from pgnb.online.former import former_wishes
from pgnb.online.order import Stage, Wishes, in_order
from pgnb.online.safety import safety_checks
from pgnb.online.stages import Block, Together, follower_checks, restart_checks, steps_of
from pgnb.postgres import Server
from pgnb.postgres.config.configmap import plan_config_map
from pgnb.postgres.config.configure import plan_settings
from pgnb.postgres.config.restart import PARAMETER, plan_pending_restart, plan_restart, restart_rights
from pgnb.postgres.config.settings import Setting


@dataclass(repr=False)
class OnlineChange(Change):
    """A plan over several servers, with what each setting is, what it takes, and where it will stand."""

    servers: Together | None = field(default=None, repr=False)
    blocks: Sequence[Block] = field(default=(), repr=False)
    config_maps: Mapping[Server, str] = field(default_factory=dict, repr=False)

    @property
    def diff(self) -> str:
        """The diff of each server's files and ConfigMap, one below the other, in the order of the plan."""
        return "\n".join(part.diff for block in self.blocks for part in block.parts if part)

    @property
    def interrupts(self) -> bool:
        """Whether the primary will be restarted."""
        return any(bool(block.restart) for block in self.blocks if block.server is self._primary)

    @property
    def _primary(self) -> Server | None:
        return self.servers.primary if self.servers else None

    @property
    def settings(self) -> Table:
        """One setting of one server a line, in the order in which they are changed."""
        columns = ("server", "setting", "now", "wished", "context", "comes from", "will stand in", "order")
        rows = [self._row(block, setting) for block in self.blocks for setting in block.found]
        return Table.of(columns, rows, title="Settings", note="" if rows else "No setting was wished for.")

    def _row(self, block: Block, setting: Setting) -> tuple[object, ...]:
        wished = Cell(setting.desired_display, "good" if setting.met else "warn")
        return (
            block.server.name,
            setting.name,
            setting.display,
            wished,
            f"{setting.context}: {setting.needs}",
            _source(setting),
            _place(block, setting, self.config_maps.get(block.server, "")),
            block.stage.order.get(setting.name, ""),
        )

    def apply(self) -> Applied:
        """As every change; each result says on which server, since the same is done on several."""
        done = super().apply()
        if not done.changed:
            return done
        labels = (f"{step.target}: {step.what}" for step in self.steps)
        return replace(done, results=tuple(zip(labels, (result for _, result in done.results), strict=True)))

    def safety(self) -> Checks:
        """What the change may do beside what it is for, for a gate before it."""
        if self.servers is None:
            return Checks.of("What the new settings touch", [], self.journal)
        checks = safety_checks(self.servers.primary, [block.stage for block in self.blocks])
        checks += follower_checks(self.servers, self.blocks) + restart_checks(self.servers, self.blocks)
        rights = [right for block in self.blocks for right in self._rights(block)]
        return checks + self.servers.primary.cluster.access_checks(rights) if rights else checks

    def _rights(self, block: Block) -> Iterator[Right]:
        """What the API server will be asked for, known before the first server is changed."""
        if block.restart:
            yield from restart_rights(block.server)
        if block.config:
            name = self.config_maps[block.server]
            yield Right("patch", "configmaps", why="to keep it in step with the server", name=name)

    def in_force(self) -> Checks:
        """Each wished value as a new session sees it; what was not allowed to restart is advice."""
        items = []
        for block in self.blocks:
            block.server.close_sessions()
            table = block.server.settings(block.stage.wishes)
            found = table.checks_for(restart_allowed=bool(block.restart))
            items += [replace(check, name=f"{block.server.name}: {check.name}") for check in found]
        return Checks.of("Settings in force", items, self.journal)

    def drift(self) -> Checks:
        """The ConfigMaps held against the servers, both ways."""
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
    settings: Wishes | None = None,
    standby_settings: Wishes | None = None,
    *,
    config_map: str = "",
    standby_config_map: str = "",
    allow_restart: bool = False,
    undo_record: str = "",
    title: str = "online changes",
) -> OnlineChange:
    """The plan that gives a primary `settings` and each of its standbys `standby_settings`.

    What takes a reload is in force afterwards. What takes a restart is written only with `allow_restart`,
    and then each server that needs one is restarted once: a standby is raised before its primary, and
    lowered after it. A ConfigMap that is not named is the one that the server's pod mounts.
    `undo_record` names the record of an earlier run: the wishes are then what that run found. Raises
    ParameterError for a wish that no server takes, or that would stop a standby's replay.
    """
    everyone = [primary, *standbys]
    if undo_record:
        wishes: list[Wishes] = list(former_wishes(undo_record, everyone))
    else:
        wishes = [settings or {}, *(standby_settings or {} for _ in standbys)]
    given = [config_map, *(standby_config_map for _ in standbys)]
    maps = {server: config_map_of(server, name) for server, name in zip(everyone, given, strict=True)}
    stages = in_order(primary, wishes[0], list(zip(standbys, wishes[1:], strict=True)))
    title = f"put back what {undo_record} changed" if undo_record else title
    return _assembled(title, Together(primary, tuple(standbys)), _blocks(stages, maps, allow_restart), maps)


def _blocks(stages: Sequence[Stage], maps: Mapping[Server, str], allow_restart: bool) -> list[Block]:
    """A ConfigMap that several servers share is changed with the first of them."""
    blocks: list[Block] = []
    shared: set[str] = set()
    for stage in stages:
        name = maps[stage.server]
        blocks.append(_block(stage, "" if name in shared else name, allow_restart))
        shared.add(name)
    return blocks


def _block(stage: Stage, config_map: str, allow_restart: bool) -> Block:
    server = stage.server
    found = tuple(server.settings(stage.wishes))
    change = plan_settings(server, stage.wishes, write_restart=allow_restart)
    late = set() if allow_restart else {setting.name.lower() for setting in change.waiting}
    written = {name: value for name, value in stage.wishes.items() if name.lower() not in late}
    config = plan_config_map(server, config_map, written) if config_map and written else _nothing(server)
    restart = plan_pending_restart(server, stage.wishes, allow=allow_restart)
    return Block(stage, found, change, config, restart, change.places)


def _nothing(server: Server) -> Change:
    return Change(f"nothing for {server.name}", server.journal)


def _source(setting: Setting) -> str:
    """The file's name is enough in a table that says where the value will stand."""
    return setting.source.rsplit("/", 1)[-1]


def _place(block: Block, setting: Setting, config_map: str) -> str:
    """Where the wished value will be written."""
    beside = f", configmap/{config_map}" if block.config else ""
    if setting.name in block.places:
        return f"{block.places[setting.name]}{beside}"
    if setting.met:
        return "as it is"
    waits = setting.needs == "restart" and not block.restart
    return f"nowhere yet: {PARAMETER}" if waits else "its file already"


def _assembled(
    title: str, servers: Together, blocks: Sequence[Block], maps: Mapping[Server, str]
) -> OnlineChange:
    parts = [part for block in blocks for part in block.parts if part]
    waits = [f"{b.server.name}: {b.restart.note}" for b in blocks if not b.restart and _waiting(b)]
    change = OnlineChange(
        title,
        servers.primary.journal,
        steps=steps_of(servers, blocks),
        note=" ".join(waits),
        undo_text="in the opposite order, each server's files and ConfigMap as they are now" if parts else "",
        confirmations=_confirmations(parts),
        undo=lambda: _undo(title, servers, blocks, maps),
        servers=servers,
        blocks=blocks,
        config_maps=maps,
    )
    change.precheck = lambda: _precheck(change, parts)
    return change


def _waiting(block: Block) -> bool:
    return any(not setting.met and setting.needs == "restart" for setting in block.found)


def _confirmations(parts: Sequence[Change]) -> list[Confirmation]:
    """Each parameter is asked for once, with every server's reason."""
    reasons: dict[tuple[str, object], list[str]] = {}
    for wish in (wish for part in parts for wish in part.confirmations):
        reasons.setdefault((wish.parameter, wish.value), []).append(wish.why)
    return [Confirmation(name, value, " ".join(dict.fromkeys(why))) for (name, value), why in reasons.items()]


def _precheck(change: OnlineChange, parts: Sequence[Change]) -> Checks:
    checks = change.safety()
    for part in parts:
        checks = checks + part.precheck() if part.precheck else checks
    return checks


def _undo(title: str, servers: Together, blocks: Sequence[Block], maps: Mapping[Server, str]) -> OnlineChange:
    """The way back of what was carried out, also when the change stopped halfway."""
    back = [_reversed(block) for block in reversed(blocks) if block.done]
    return _assembled(f"undo: {title}", servers, back, maps)


def _reversed(block: Block) -> Block:
    server = block.server
    stage = Stage(server, dict(block.former))
    restart = _nothing(server)
    if block.carried_out(block.restart):
        restart = plan_restart(server, reason="its former settings wait for it")
    return Block(
        stage,
        tuple(server.settings(stage.wishes)),
        _way_back(block, block.settings),
        _way_back(block, block.config),
        restart,
        block.places,
    )


def _way_back(block: Block, part: Change) -> Change:
    return part.undo() if block.carried_out(part) and part.undo else _nothing(block.server)
