"""In which order a primary and its standbys get their settings, so that the plan may stop after any step.

Five settings of a hot standby must never be lower than its primary's (the manual, 26.4.3; fact 16): so they
are raised on the standbys first, and lowered on the primary first. Whatever else a standby gets goes along
with these, so that it restarts once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pgnb.core.errors import ParameterError
from pgnb.physical.sizing import FIVE, five
from pgnb.postgres import Server
from pgnb.postgres.config.values import Wanted

Wishes = Mapping[str, Wanted]
RAISED_LAST = "raised after its standbys"
"""Why the primary comes last."""


@dataclass(frozen=True)
class Stage:
    """What one server gets, at its place in the order; `order` says of a setting why that is its place."""

    server: Server
    wishes: Wishes
    order: Mapping[str, str] = field(default_factory=dict)


def in_order(primary: Server, wishes: Wishes, standbys: Sequence[tuple[Server, Wishes]]) -> list[Stage]:
    """The stages in the order in which they are safe; servers that get nothing have none.

    A standby that would be below what its primary is to have is raised along, asked for or not. Raises
    ParameterError for a wish that would leave a standby below its primary, and for one that would raise and
    lower at once.
    """
    now = five(primary)
    goal = now | _values(primary, wishes)
    first: list[Stage] = []
    last: list[Stage] = []
    for standby, own in standbys:
        whole = {**_along(standby, own, goal), **own}
        stage, early = _stage(standby, whole, now, goal)
        (first if early else last).append(stage)
    stages = [*first, Stage(primary, wishes, _order_of_primary(now, goal)), *last]
    return [stage for stage in stages if stage.wishes]


def _along(standby: Server, own: Wishes, goal: Mapping[str, int]) -> dict[str, Wanted]:
    """What the standby must be raised to although nobody asked: the primary will have more."""
    named = {name.lower() for name in own}
    there = five(standby)
    return {
        name: str(goal[name])
        for name in FIVE
        if name not in named and name in goal and there.get(name, goal[name]) < goal[name]
    }


def _stage(
    standby: Server, wishes: Wishes, now: Mapping[str, int], goal: Mapping[str, int]
) -> tuple[Stage, bool]:
    """The standby's stage, and whether it comes before the primary's."""
    there, wanted = five(standby), _values(standby, wishes)
    for name, value in wanted.items():
        if value < goal.get(name, value):
            raise ParameterError(
                f"{name} of {standby.name} must not be lower than its primary's",
                found=f"{value}, the primary is to have {goal[name]}",
                remedy="Replay would pause, and the next start fail: wish for at least the primary's value.",
            )
    up = [name for name, value in wanted.items() if value > there[name]]
    down = [name for name, value in wanted.items() if value < now[name]]
    if up and down:
        raise ParameterError(
            f"{', '.join(up)} cannot be raised in one plan in which {', '.join(down)} is lowered",
            found=f"raising begins at {standby.name}, lowering at its primary",
            remedy="Make two runs of it: first what is raised, then what is lowered.",
        )
    if down:
        return Stage(standby, wishes, dict.fromkeys(down, "lowered after its primary")), False
    return Stage(standby, wishes, dict.fromkeys(up, "raised before its primary")), True


def _order_of_primary(now: Mapping[str, int], goal: Mapping[str, int]) -> dict[str, str]:
    changed = {name: value - now.get(name, value) for name, value in goal.items()}
    words = {1: RAISED_LAST, -1: "lowered before its standbys"}
    return {name: words[1 if by > 0 else -1] for name, by in changed.items() if by}


def _values(server: Server, wishes: Wishes) -> dict[str, int]:
    """What each of the five will be, where one is wished for: as it is, where that fulfils the wish."""
    named = {name: value for name, value in wishes.items() if name.lower() in FIVE}
    found = server.settings(named) if named else ()
    return {s.name: int(s.value if s.met or s.desired is None else s.desired.value) for s in found}
