"""Measure the time without service from a client's side while something is done to a server."""

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
"""Seconds that the client has, at the end, until a row is acknowledged again."""


@dataclass(repr=False)
class Service(Displayable):
    """A client's view of a server: known when the measured block has ended."""

    journal: Journal = field(repr=False)
    write_log: WriteLog | None = None
    durability: DurabilityCheck | None = None
    failed: str = ""
    """Why the measurement did not begin or was not completed, although the measured block was."""
    unmeasured: str = ""
    """Why no client could be started to measure."""
    not_started: PgnbError | None = None
    """Why the measuring client did not start."""

    def keep(self, write_log: WriteLog) -> WriteLog:
        """Keep the client's log, and its longest gap as a figure; return it."""
        self.write_log = write_log
        self.journal.figure("write_gap", write_log.longest.seconds if write_log.longest else None)
        return write_log

    def checks(self, *, longest: float) -> Checks:
        """Check that no acknowledged row is missing, and no gap was longer than `longest` seconds."""
        if (unmeasured := self._not_measured()) is not None:
            return Checks.of("The client's side", [unmeasured], self.journal)
        if self.write_log is None or self.durability is None:
            items = [Check.fact("service", "nothing was done that could interrupt the service")]
            return Checks.of("The client's side", items, self.journal)
        lost = Checks.of("The client's side", [self.durability.check], self.journal)
        return lost + self.write_log.checks(self.journal, longest=longest)

    def _not_measured(self) -> Check | None:
        """Return why there is no measurement; None if it was completed, or not requested."""
        name, wanted = "measured by a client", "a client in the cluster"
        if self.unmeasured:
            remedy = "Give the password as secret:NAME/KEY to have the time without service measured."
            return Check(name, False, self.unmeasured, wanted, remedy, advice=True)
        if (error := self.not_started) is not None:
            found = " ".join(f"none could be started: {error.message} {error.found}".split())
            return Check(name, False, found, wanted, error.remedy)
        if self.failed:
            remedy = "Check whether clients can write through the Service now."
            return Check("measurement completed", False, self.failed, "a row acknowledged afterwards", remedy)
        return None

    @property
    def table(self) -> Table:
        """The client's numbers."""
        if self.write_log is None:
            why = self.unmeasured or self.failed or "nothing was done that could interrupt the service"
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
    """Let a client in the cluster write every 20 ms during the block, and report what it saw.

    The client writes into a scratch database, which is dropped at the end. `password` and `host` as for
    start_writer; `afterwards` is the server that becomes the primary meanwhile, where the rows are then
    looked for. Without `when` (an empty plan is false) and in a plan-only run nothing is started; a scratch
    database that a killed run left is dropped all the same, if this run applies. A client that can't be
    started stops nothing: the block runs, and the checks say that nothing was measured. The block's end waits
    until a row is acknowledged again. Raises DeadlineExceeded if none is.
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
            seen = service.keep(next_row(writer, datetime.now(UTC)))
            service.durability = writer.check_durability(afterwards or server, seen)
        finally:
            writer.stop()
    finally:
        Scratch(_primary_of(server, afterwards), database).plan_drop().apply()


def started(
    service: Service, server: Server, scratch: Scratch, password: str, *, host: str, other_password: str = ""
) -> Writer | None:
    """Start the client; return None if that is not possible, with the reason in `service`."""
    references = [reference for reference in (password, other_password) if reference]
    if not all(stands_in_secret(reference, server.pod) for reference in references):
        service.unmeasured = "the password is not in a Secret, so that no pod can be given it"
        return None
    try:
        return start_writer(server, scratch, password, host=host, other_password=other_password)
    except PgnbError as error:
        service.not_started = error
        return None


def _primary_of(server: Server, afterwards: Server | None) -> Server:
    """Return the server that is the primary now, because the measured block may have failed halfway."""
    taken_over = afterwards is not None and not afterwards.refresh().in_recovery
    return afterwards if afterwards is not None and taken_over else server


def next_row(writer: Writer, ended: datetime) -> WriteLog:
    """Return the client's log, once a row was acknowledged after `ended`. Raises DeadlineExceeded."""
    wait_until(
        "the client's next row",
        lambda: writer.report(ended),
        lambda seen: bool(seen.times),
        timeout=_BACK,
        every=0.2,
        describe=lambda seen: "; ".join(seen.summary) or "no row yet",
        remedy="See the client's output: other clients of the Service may have the same problem.",
    )
    return writer.report()
