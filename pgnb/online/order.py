"""The order in which a primary and its standbys get their settings, safe to stop after any step.

A hot standby's limits must never be lower than its primary's (the manual, "Administrator's Overview" of hot
standby; fact 16). So they are raised on the standbys first, and lowered on the primary first. A standby's
other settings are changed in the same step, so that it restarts only once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pgnb.core.errors import ParameterError
from pgnb.physical.sizing import STANDBY_LIMITS, standby_limits
from pgnb.postgres import Server
from pgnb.postgres.config.values import Wanted

DesiredSettings = Mapping[str, Wanted]
RAISED_LAST = "raised after its standbys"
"""Why the primary comes last."""


@dataclass(frozen=True)
class OrderedSettings:
    """One server's desired settings, at its place in the order; `order` says why a setting has that place."""

    server: Server
    desired: DesiredSettings
    order: Mapping[str, str] = field(default_factory=dict)


def plan_order(
    primary: Server, desired: DesiredSettings, standbys: Sequence[tuple[Server, DesiredSettings]]
) -> list[OrderedSettings]:
    """Return each server's settings in the safe order; a server without a desired setting is left out.

    A standby that would be below its primary's new limits is raised too, even if nobody asked for it.
    Raises ParameterError for settings that would leave a standby below its primary, and for a plan that
    would have to raise and lower limits at once.
    """
    now = standby_limits(primary)
    goal = now | _values(primary, desired)
    first: list[OrderedSettings] = []
    last: list[OrderedSettings] = []
    for standby, own in standbys:
        whole = {**_implied_raises(standby, own, goal), **own}
        ordered, before_primary = _of_standby(standby, whole, now, goal)
        (first if before_primary else last).append(ordered)
    everyone = [*first, OrderedSettings(primary, desired, _order_of_primary(now, goal)), *last]
    return [ordered for ordered in everyone if ordered.desired]


def _implied_raises(standby: Server, own: DesiredSettings, goal: Mapping[str, int]) -> dict[str, Wanted]:
    """Return the limits that the standby needs because its primary will have more."""
    named = {name.lower() for name in own}
    there = standby_limits(standby)
    return {
        name: str(goal[name])
        for name in STANDBY_LIMITS
        if name not in named and name in goal and there.get(name, goal[name]) < goal[name]
    }


def _of_standby(
    standby: Server, desired: DesiredSettings, now: Mapping[str, int], goal: Mapping[str, int]
) -> tuple[OrderedSettings, bool]:
    """Return the standby's settings, and whether they come before the primary's."""
    there, values = standby_limits(standby), _values(standby, desired)
    for name, value in values.items():
        if value < goal.get(name, value):
            raise ParameterError(
                f"{name} of {standby.name} must not be lower than its primary's",
                found=f"{value}; the primary will have {goal[name]}",
                remedy="Set at least the primary's value: replay would pause, and the next start would fail.",
            )
    up = [name for name, value in values.items() if value > there[name]]
    down = [name for name, value in values.items() if value < now[name]]
    if up and down:
        raise ParameterError(
            f"one plan cannot raise {', '.join(up)} and lower {', '.join(down)}",
            found=f"raising begins at {standby.name}, lowering at its primary",
            remedy="Make two runs: first raise, then lower.",
        )
    if down:
        return OrderedSettings(standby, desired, dict.fromkeys(down, "lowered after its primary")), False
    return OrderedSettings(standby, desired, dict.fromkeys(up, "raised before its primary")), True


def _order_of_primary(now: Mapping[str, int], goal: Mapping[str, int]) -> dict[str, str]:
    changed = {name: value - now.get(name, value) for name, value in goal.items()}
    words = {1: RAISED_LAST, -1: "lowered before its standbys"}
    return {name: words[1 if by > 0 else -1] for name, by in changed.items() if by}


def _values(server: Server, desired: DesiredSettings) -> dict[str, int]:
    """Return the future value of each limit that is set; the present one where that is enough."""
    named = {name: value for name, value in desired.items() if name.lower() in STANDBY_LIMITS}
    found = server.settings(named) if named else ()
    return {s.name: int(s.value if s.met or s.desired is None else s.desired.value) for s in found}
