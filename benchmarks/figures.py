"""Figures: the same work done by pgnb and by its peer, in turn, and the ratio of the two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Literal

Work = Callable[[], object]


@dataclass(frozen=True)
class Figure:
    """One row of the page. `ours` and `peers` are of one unit, one value a repetition, taken in turn.

    `goal` bounds the median of the ratios, or of `ours` where `absolute`; None: a row without a goal.
    """

    row: str
    what: str
    peer: str
    ours: Sequence[float]
    peers: Sequence[float] = ()
    unit: str = "s"
    goal: float | None = None
    side: Literal["at most", "at least"] = "at most"
    absolute: bool = False
    note: str = ""

    @property
    def ratios(self) -> tuple[float, ...]:
        """Ours divided by the peer's, repetition by repetition."""
        return tuple(
            one / other for one, other in zip(self.ours, self.peers, strict=bool(self.peers)) if other
        )

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none, or where nothing was measured."""
        measured = self.ours if self.absolute else self.ratios
        if self.goal is None or not measured:
            return None
        found = median(measured)
        return found <= self.goal if self.side == "at most" else found >= self.goal


def seconds(work: Work) -> float:
    """How long it takes."""
    began = perf_counter()
    work()
    return perf_counter() - began


def in_turn(ours: Work, peer: Work, repetitions: int, *, divide: int = 1) -> tuple[list[float], list[float]]:
    """Seconds of both, in turn, so that whatever else the machine does falls on both; each divided."""
    mine, others = [], []
    for _ in range(repetitions):
        mine.append(seconds(ours) / divide)
        others.append(seconds(peer) / divide)
    return mine, others
