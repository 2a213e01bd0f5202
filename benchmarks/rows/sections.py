"""Sections 2 to 5, whole."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.figures import Figure, seconds
from benchmarks.ground import Ground, Size
from benchmarks.measured import measured_runs
from benchmarks.places import fresh
from benchmarks.progress import say
from benchmarks.scripts import FOLDER, carry_out

_NUMBERS = ("02", "03", "04", "05")


def sections(ground: Ground, size: Size) -> Sequence[Figure]:
    """`pgnb run 02 03 04 05` against the procedure's own commands, each on a new primary."""
    transactions = str(size.many(1000))
    mine, others = [], []
    for turn in range(size.at_most(2)):
        with fresh(ground, "ours") as place:
            mine.append(seconds(lambda: _notebooks(place, transactions)))
        with fresh(ground, "theirs") as place:
            others.append(seconds(lambda: _commands(place, transactions)))
        say(f"turn {turn + 1}: notebooks {mine[-1]:.1f} s, the procedure's commands {others[-1]:.1f} s")
    note = (
        "Without a restart on either side. The commands are those of benchmarks/procedure/sections_2_5.sh;"
        " their waits are the procedure's own (7 s), the initdb of its replica, and the time until the"
        " ConfigMap is seen in the pod (10 s on the rehearsal, up to 90 s on a real node)."
    )
    what = f"sections 2 to 5, with {transactions} transactions"
    return [Figure("sections-2-5", what, "the procedure's commands", mine, others, goal=0.2, note=note)]


def _notebooks(place: Ground, transactions: str) -> None:
    place.run(*_NUMBERS, "-p", "transactions", transactions)


def _commands(place: Ground, transactions: str) -> None:
    given = {"TRANSACTIONS": transactions, "MANIFEST": str(FOLDER / "replica.yaml")}
    carry_out(place, "sections_2_5.sh", **given)


def round_trips(ground: Ground, _size: Size) -> Sequence[Figure]:
    """How often 02 to 05 ask the API server and PostgreSQL, the load's own transactions left out."""
    with fresh(ground, "counted") as place, measured_runs(place.folder) as (environment, found):
        place.run(*_NUMBERS, "-p", "transactions", "1", environment=environment)
        runs = found()
    kinds = {
        "requests": ("requests to the API server", [run.requests for run in runs]),
        "streams": ("execs and forwards", [run.streams for run in runs]),
        "sql": ("round trips to PostgreSQL", [run.statements for run in runs]),
    }
    return [
        Figure(
            f"round-trips-{kind}",
            f"{what} in 02 to 05",
            "none",
            [float(sum(counts))],
            unit="",
            note=f"In this order: {', '.join(map(str, counts))}.",
        )
        for kind, (what, counts) in kinds.items()
    ]
