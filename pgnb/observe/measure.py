"""The time without service, measured from a client's side while something is done to a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pgnb.core.checks import Check, Checks
from pgnb.core.display import Displayable, Table, key_value_table
from pgnb.core.errors import PgnbError
from pgnb.core.journal import Journal
from pgnb.core.wait import wait_until
from pgnb.observe.scratch import Scratch
from pgnb.observe.write_log import DurabilityCheck, WriteLog
from pgnb.observe.writer import Writer, stands_in_secret, start_writer
from pgnb.postgres import Server
from pgnb.postgres.scratch import SERVICE

_BACK = 120.0
"""Seconds that the client gets, at the end, to be acknowledged a row again."""


@dataclass(repr=False)
class Service(Displayable):
    """What a client saw of a server: known once the block that was measured has ended."""

    journal: Journal = field(repr=False)
    write_log: WriteLog | None = None
    durability: DurabilityCheck | None = None
    failed: str = ""
    """Why the measurement did not begin or did not come to its end, although what was measured did."""
    unmeasured: str = ""
    """Why no client could be asked to measure."""
    not_started: PgnbError | None = None
    """Why the client that was to measure did not start."""

    def checks(self, *, longest: float) -> Checks:
        """Nothing that was acknowledged is missing, and no gap was longer than `longest` seconds."""
        if (unmeasured := self._not_measured()) is not None:
            return Checks.of("The client's side", [unmeasured], self.journal)
        if self.write_log is None or self.durability is None:
            items = [Check.fact("service", "nothing was done that could interrupt it")]
            return Checks.of("The client's side", items, self.journal)
        lost = Checks.of("The client's side", [self.durability.check], self.journal)
        return lost + self.write_log.checks(self.journal, longest=longest)

    def _not_measured(self) -> Check | None:
        """Why the measurement tells nothing; None where it came to its end, or was not asked for."""
        name, wanted = "measured by a client", "a client in the cluster"
        if self.unmeasured:
            remedy = "Name the password as secret:NAME/KEY to have the time without service measured."
            return Check(name, False, self.unmeasured, wanted, remedy, advice=True)
        if (error := self.not_started) is not None:
            found = " ".join(f"none could be started: {error.message} {error.found}".split())
            return Check(name, False, found, wanted, error.remedy)
        if self.failed:
            remedy = "See whether clients can write through the Service now."
            return Check("measured to its end", False, self.failed, "a row acknowledged afterwards", remedy)
        return None

    @property
    def table(self) -> Table:
        """The client's numbers."""
        if self.write_log is None:
            why = self.unmeasured or self.failed or "nothing was done that could interrupt it"
            why = self.not_started.message if self.not_started else why
            return key_value_table("The client's side", {"measured": f"no: {why}"})
        return self.write_log.table


@contextmanager
def measure_service(
    server: Server,
    password: str,
    *,
    host: str = "",
    when: object = True,
    database: str = SERVICE,
    afterwards: Server | None = None,
) -> Iterator[Service]:
    """Let a client in the cluster write all the while, every 20 ms, and see what it was told.

    The client writes into a scratch database, which is dropped at the end. `password` and `host` as for
    start_writer; `afterwards` is the server that takes the role over meanwhile, where the rows are then
    looked for. Without `when` (an empty plan is false) and in a plan-only run nothing is started; a scratch
    database that a killed run left is dropped all the same, where this one applies. A client that can't be
    started stops nothing: the block runs, and the checks say that nobody measured. The block's end waits
    until the client is acknowledged a row again. Raises DeadlineExceeded when it doesn't come back.
    """
    service, scratch = Service(server.journal), Scratch(server, database)
    if server.journal.dry_run or not server.present:
        yield service
        return
    if not when:
        scratch.drop_left()
        yield service
        return
    try:
        writer = started(service, server, scratch, password, host=host)
        if writer is None:
            yield service
            return
        try:
            yield service
            service.write_log = next_row(writer, datetime.now(UTC))
            service.durability = writer.check_durability(afterwards or server, service.write_log)
        finally:
            writer.stop()
    finally:
        Scratch(_primary_of(server, afterwards), database).plan_drop().apply()


def started(
    service: Service, server: Server, scratch: Scratch, password: str, *, host: str, other_password: str = ""
) -> Writer | None:
    """Return the client that writes; None where there can be none, and then `service` says why."""
    references = [reference for reference in (password, other_password) if reference]
    if not all(stands_in_secret(reference, server.pod) for reference in references):
        service.unmeasured = "the password does not stand in a Secret, so that no pod can be given it"
        return None
    try:
        return start_writer(server, scratch, password, host=host, other_password=other_password)
    except PgnbError as error:
        service.not_started = error
        return None


def _primary_of(server: Server, afterwards: Server | None) -> Server:
    """Whichever has the role now: what was measured may have failed halfway."""
    taken_over = afterwards is not None and not afterwards.refresh().in_recovery
    return afterwards if afterwards is not None and taken_over else server


def next_row(writer: Writer, ended: datetime) -> WriteLog:
    """Return what the client was told, once it was acknowledged a row after `ended`. Raises DeadlineExceeded."""
    wait_until(
        "the client's next row",
        lambda: writer.report(ended),
        lambda seen: bool(seen.times),
        timeout=_BACK,
        every=0.2,
        describe=lambda seen: "; ".join(seen.summary) or "no row yet",
        remedy="Look at the client's words: clients of the service may be kept out by the same.",
    )
    return writer.report()
