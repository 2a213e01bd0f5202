"""The steps of a plan over several servers: each part is checked right before it, with waits between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pgnb.core.checks import Check, Checks
from pgnb.core.display import format_duration, format_value
from pgnb.core.errors import ChangeFailed
from pgnb.core.plan import Change, Step
from pgnb.core.wait import wait_until
from pgnb.online.order import RAISED_LAST, OrderedSettings
from pgnb.online.previous_values import keep_previous
from pgnb.physical.status import receiver
from pgnb.postgres import Server
from pgnb.postgres.config.settings import Setting
from pgnb.postgres.progress import marker, wait_replayed

STREAMING_DEADLINE = 60.0
"""Seconds until a standby streams again; its receiver tries every wal_retrieve_retry_interval (5 s)."""
REPLAY_DEADLINE = 300.0
"""Seconds until a standby has replayed the WAL record of its primary's new settings."""


@dataclass(frozen=True)
class Servers:
    """A primary and its standbys."""

    primary: Server
    standbys: tuple[Server, ...] = ()


@dataclass
class ServerChange:
    """The change of one server: its settings, its ConfigMap, its restart; any of them may be empty.

    `found` are the settings at the time of planning, `places` the files that they will be written to;
    `previous` holds the values right before the change, `done` the parts that were begun.
    """

    ordered: OrderedSettings
    found: tuple[Setting, ...]
    settings: Change
    config: Change
    restart: Change
    places: Mapping[str, str] = field(default_factory=dict)
    previous: dict[str, str] = field(default_factory=dict)
    done: list[Change] = field(default_factory=list)

    @property
    def server(self) -> Server:
        """The server that is changed."""
        return self.ordered.server

    @property
    def parts(self) -> tuple[Change, Change, Change]:
        """The parts in the order in which they are applied."""
        return self.settings, self.config, self.restart

    def was_applied(self, part: Change) -> bool:
        """Whether that part was begun, so that an undo must include it."""
        return any(part is one for one in self.done)


def steps_of(servers: Servers, changes: Sequence[ServerChange]) -> list[Step]:
    """Return every step in order, with a wait for the standbys after each restart.

    A standby with lower limits starts only after it has replayed its primary's lower limits. So it is
    restarted only then.
    """
    steps: list[Step] = []
    primary_restarted = False
    for one in changes:
        if primary_restarted and one.restart and one.server is not servers.primary:
            steps.append(_replay_step(servers.primary, one.server))
        steps += [step for part in one.parts for step in _part_steps(one, part)]
        if one.restart:
            primary_restarted = primary_restarted or one.server is servers.primary
            waiting = servers.standbys if one.server is servers.primary else (one.server,)
            steps += [_streaming_step(standby) for standby in waiting if standby.present]
    return steps


def _part_steps(one: ServerChange, part: Change) -> Iterator[Step]:
    for index, step in enumerate(part.steps):
        yield step if index else replace(step, run=_first(one, part, step))


def _first(one: ServerChange, part: Change, step: Step) -> Callable[[], str]:
    """Return the first step of a part, which repeats the part's checks and keeps the previous values."""

    def run() -> str:
        _assert_still_safe(part)
        if not one.previous:
            found = tuple(one.server.settings(list(one.ordered.desired)))
            one.previous.update({setting.name: setting.shown for setting in found})
            keep_previous(part.journal, one.server, found)
        if part is one.restart:
            one.done.append(part)
            return step.run()
        result = step.run()
        one.done.append(part)
        return result

    return run


def _assert_still_safe(part: Change) -> None:
    """Repeat the part's checks, since servers were restarted after the plan was checked."""
    failed = part.precheck().failed if part.precheck else ()
    if failed:
        raise ChangeFailed(
            f"{part.title}: no longer safe",
            found="; ".join(f"{check.name}: {format_value(check.found)}" for check in failed),
            remedy="The changes made so far stay, and are safe. Run this again to go on, or undo them.",
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


def restart_checks(servers: Servers, changes: Sequence[ServerChange]) -> Checks:
    """Check, before any restart, that each standby streams; otherwise its return could not be verified."""
    items = [
        Check(
            f"{standby.name} streams",
            _status(standby) == "streaming",
            _status(standby),
            "streaming",
            "Repair it first (08): a restart would hide the cause.",
        )
        for standby in servers.standbys
        if standby.present and any(one.restart for one in changes)
    ]
    return Checks.of("Standbys before a restart", items, servers.primary.journal)


def follower_checks(servers: Servers, changes: Sequence[ServerChange]) -> Checks:
    """Check that no other standby follows where the primary gets higher limits; it would stop replaying."""
    primary = servers.primary
    raised = [
        name
        for one in changes
        if one.server is primary and one.settings
        for name, why in one.ordered.order.items()
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
            f"{named}, the number found by standby_selector",
            f"A standby with {less} stops replaying: make standby_selector match it.",
        ),
        Check(
            "standbys that are away",
            not row["away"],
            ", ".join(row["away"]) or "none",
            "none",
            f"With {less} it will not start: raise it there first.",
            advice=True,
        ),
    ]
    return Checks.of("Standbys that follow", items, primary.journal)
