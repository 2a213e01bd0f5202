"""The rows of the page. Each takes the ground and the size, and gives one figure or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from benchmarks.figures import Figure
from benchmarks.ground import Ground, Size
from benchmarks.rows import (
    backups,
    counting,
    fleet,
    fleet_load,
    logical,
    many,
    notebooks,
    promotion,
    sections,
    start,
    statements,
)

Row = Callable[[Ground, Size], Sequence[Figure]]

ROWS: Mapping[str, Row] = {
    "sections-2-5": sections.sections,
    "round-trips": sections.round_trips,
    "notebook": notebooks.fixed_cost,
    "statement": statements.one_statement,
    "exec": statements.one_exec,
    "inserts": statements.thousand_inserts,
    "counts": counting.thousand_tables,
    "tps": statements.tps,
    "base-backup": backups.base_backup,
    "promotion": promotion.promotion,
    "logical-scale": logical.scale,
    "ten-thousand-tables": many.ten_thousand,
    "fleet-load": fleet_load.load,
    "fleet-report": fleet.report_of_many,
    "start": start.start,
}
"""By name, in the order in which they run."""
