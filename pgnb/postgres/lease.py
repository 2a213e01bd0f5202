"""Hold the Lease of each database that a notebook changes, from its first cells on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from pgnb.cluster import Cluster
from pgnb.cluster.leases import HeldLease, LeaseRecord, lease_name, read_lease, take_lease
from pgnb.core.display import Displayable, Table
from pgnb.core.errors import AccessDenied
from pgnb.postgres.server import Server


@dataclass(frozen=True, repr=False)
class Leases(Displayable):
    """The Leases that are held, or, in a plan-only run, those that others hold."""

    records: tuple[tuple[str, LeaseRecord | None], ...]
    held: tuple[HeldLease, ...] = ()
    denied: str = ""

    @property
    def table(self) -> Table:
        """A line for each database: its Lease, the holder, since when, and when it expires."""
        rows = [(name, *_cells(record)) for name, record in self.records]
        note = "Held until the notebook's end." if self.held else "A plan-only run takes no Lease."
        if self.denied:
            note = f"Not held, so nothing will be changed: {self.denied}"
        return Table.of(("lease", "holder", "since", "last renewed"), rows, title="Leases", note=note)

    def release(self) -> None:
        """Release them before the end of the notebook."""
        for one in self.held:
            one.release()


def _cells(record: LeaseRecord | None) -> tuple[str, str, str]:
    if record is None or not record.holder:
        return "nobody", "", ""
    notebook = f", notebook {record.notebook}" if record.notebook else ""
    return f"{record.holder}{notebook}", record.since, f"{record.renewed}; expires {record.seconds} s later"


def hold_lease(*servers: Server, notebook: str, break_lease: str = "") -> Leases:
    """Take the Lease of each server's database, in a fixed order, and hold it until the notebook's end.

    Servers of one database cluster have one Lease, by system identifier; absent servers have none. A
    plan-only run takes none and shows the present holders. `break_lease` is the holder named in the error,
    whose Lease is taken over after it was seen to expire. Without the rights on leases nothing is held, and
    the first change is refused by AccessDenied; the gates before report other missing rights. Raises
    LeaseHeld.
    """
    there = {lease_name(str(one.facts.system_identifier)): one for one in servers if one.present}
    if not there:
        return Leases(())
    cluster = next(iter(there.values())).cluster
    held: list[HeldLease] = []
    if not cluster.dry_run:
        try:
            for name in sorted(there):
                held.append(_taken(name, there[name], held, notebook, break_lease))
        except AccessDenied as denied:
            cluster.journal.guards.append(partial(_refuse, denied))
            return Leases((), denied=denied.message)
    records = tuple((name, _seen(cluster, name)) for name in sorted(there))
    cluster.journal.facts(leases={name: record.summary if record else "" for name, record in records})
    return Leases(records, tuple(held))


def _refuse(denied: AccessDenied) -> None:
    raise denied


def _seen(cluster: Cluster, name: str) -> LeaseRecord | None:
    try:
        return read_lease(cluster.api, name)
    except AccessDenied:
        return None  # A plan may be made without the right to see who is working on the database.


def _taken(name: str, server: Server, held: list[HeldLease], notebook: str, break_lease: str) -> HeldLease:
    cluster = server.cluster
    try:
        return take_lease(cluster.api, name, notebook=notebook, user=cluster.user, break_lease=break_lease)
    except BaseException:
        for one in (
            held
        ):  # Release those taken before, because two runs that each hold one would wait for each other.
            one.release()
        raise
