"""The steps of a plan over several servers: each part checked right before it, with the waits between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pgnb.core.checks import Check, Checks
from pgnb.core.display import format_duration, format_value
from pgnb.core.errors import ChangeFailed
from pgnb.core.plan import Change, Step
from pgnb.core.wait import wait_until
from pgnb.online.former import keep
from pgnb.online.order import RAISED_LAST, Stage
from pgnb.physical.status import receiver
from pgnb.postgres import Server
from pgnb.postgres.config.settings import Setting
from pgnb.postgres.progress import marker, wait_replayed

STREAMING_DEADLINE = 60.0
"""Seconds until a standby streams again; its receiver tries every wal_retrieve_retry_interval (5 s)."""
REPLAY_DEADLINE = 300.0
"""Seconds until a standby has replayed the WAL record of its primary's new settings."""


@dataclass(frozen=True)
class Together:
    """A primary and its standbys."""

    primary: Server
    standbys: tuple[Server, ...] = ()


@dataclass
class Block:
    """What is done to one server: its settings, its ConfigMap, its restart; any of them may be nothing.

    `found` are the settings as they were planned upon, `places` the files that they will be written to;
    `former` holds the values that were found right before the change, `done` the parts that were begun.
    """

    stage: Stage
    found: tuple[Setting, ...]
    settings: Change
    config: Change
    restart: Change
    places: Mapping[str, str] = field(default_factory=dict)
    former: dict[str, str] = field(default_factory=dict)
    done: list[Change] = field(default_factory=list)

    @property
    def server(self) -> Server:
        """The server that it is done to."""
        return self.stage.server

    @property
    def parts(self) -> tuple[Change, Change, Change]:
        """In the order in which they are carried out."""
        return self.settings, self.config, self.restart

    def carried_out(self, part: Change) -> bool:
        """Whether that part was begun, so that there is something to take back."""
        return any(part is one for one in self.done)


def steps_of(servers: Together, blocks: Sequence[Block]) -> list[Step]:
    """Every step, in order; after a restart the standbys are waited for.

    A standby is restarted with less only when it has replayed that its primary has less: before, it would
    not start.
    """
    steps: list[Step] = []
    primary_restarted = False
    for block in blocks:
        if primary_restarted and block.restart and block.server is not servers.primary:
            steps.append(_replay_step(servers.primary, block.server))
        steps += [step for part in block.parts for step in _part_steps(block, part)]
        if block.restart:
            primary_restarted = primary_restarted or block.server is servers.primary
            waiting = servers.standbys if block.server is servers.primary else (block.server,)
            steps += [_streaming_step(standby) for standby in waiting if standby.present]
    return steps


def _part_steps(block: Block, part: Change) -> Iterator[Step]:
    for index, step in enumerate(part.steps):
        yield step if index else replace(step, run=_first(block, part, step))


def _first(block: Block, part: Change, step: Step) -> Callable[[], str]:
    """The first step of a part: what made it safe is read again, and the former values are kept."""

    def run() -> str:
        _assert_still_safe(part)
        if not block.former:
            found = tuple(block.server.settings(list(block.stage.wishes)))
            block.former.update({setting.name: setting.shown for setting in found})
            keep(part.journal, block.server, found)
        if part is block.restart:
            block.done.append(part)
            return step.run()
        result = step.run()
        block.done.append(part)
        return result

    return run


def _assert_still_safe(part: Change) -> None:
    """The whole plan was checked before its first step; meanwhile servers were restarted."""
    failed = part.precheck().failed if part.precheck else ()
    if failed:
        raise ChangeFailed(
            f"{part.title}: not safe any more",
            found="; ".join(f"{check.name}: {format_value(check.found)}" for check in failed),
            remedy="What was done before stands, and is safe as it is: run again to go on, or undo it.",
        )


def _replay_step(primary: Server, standby: Server) -> Step:
    def run() -> str:
        taken = wait_replayed(standby, marker(primary), REPLAY_DEADLINE)
        return f"replayed after {format_duration(taken)}"

    return Step(standby.name, "wait until it has replayed its primary's new settings", run)


def _streaming_step(standby: Server) -> Step:
    def run() -> str:
        wait_until(
            f"{standby.name} to stream again",
            lambda: _status(standby),
            lambda status: status == "streaming",
            timeout=STREAMING_DEADLINE,
            every=0.1,
            remedy="Its log says why it cannot connect; 08 finds the usual reasons.",
        )
        return "streams"

    return Step(standby.name, "wait until it streams again", run)


def _status(standby: Server) -> str:
    seen = receiver(standby)
    return (seen.status if seen else None) or "no receiver runs"


def restart_checks(servers: Together, blocks: Sequence[Block]) -> Checks:
    """Before any restart: each standby streams, so that it can be seen to stream again."""
    items = [
        Check(
            f"{standby.name} streams",
            _status(standby) == "streaming",
            _status(standby),
            "streaming",
            "Mend it first (08): a restart would hide what is wrong with it.",
        )
        for standby in servers.standbys
        if standby.present and any(block.restart for block in blocks)
    ]
    return Checks.of("Standbys before a restart", items, servers.primary.journal)


def follower_checks(servers: Together, blocks: Sequence[Block]) -> Checks:
    """Where the primary gets more of one of the five: that no standby follows that was not raised first."""
    primary = servers.primary
    raised = [
        name
        for block in blocks
        if block.server is primary and block.settings
        for name, why in block.stage.order.items()
        if why == RAISED_LAST
    ]
    if not raised:
        return Checks.of("Standbys that follow", [], primary.journal)
    row, named = primary.fetch_one("physical/followers"), sum(standby.present for standby in servers.standbys)
    less = f"less of {', '.join(raised)}"
    items = [
        Check(
            "standbys that are raised first",
            row["streaming"] <= named,
            f"{row['streaming']} stream",
            f"{named}, as many as were found",
            f"One that has {less} stops replaying: let standby_selector match it.",
        ),
        Check(
            "standbys that are away",
            not row["away"],
            ", ".join(row["away"]) or "none",
            "none",
            f"With {less} it will not start again: raise it there first.",
            advice=True,
        ),
    ]
    return Checks.of("Standbys that follow", items, primary.journal)
