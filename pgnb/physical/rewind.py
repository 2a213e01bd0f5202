"""pg_rewind of a stopped server on its own volume (the manual, pg_rewind), its configuration kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from time import monotonic

from pgnb.cluster import Helper
from pgnb.core.display import format_duration
from pgnb.core.errors import ChangeFailed
from pgnb.core.wait import wait_until
from pgnb.physical import scripts
from pgnb.physical.connectivity import HELPER_PASSFILE
from pgnb.physical.target import Target
from pgnb.postgres import HbaRule, Server, compose, identifier
from pgnb.postgres.config.hba import explain_hba, plan_hba
from pgnb.postgres.source import Source

REWIND_NAME = "pgnb_rewind"
_LOG = "/tmp/pgnb-rewind"
"""In the helper's own container, which nobody else has."""
_PERCENT = re.compile(r"\d+/\d+ kB \(\d+%\)")


@dataclass(frozen=True)
class Rewind:
    """One pg_rewind: the target's data are taken back to the fork, then what the source changed is copied."""

    primary: Server
    target: Target
    source: Source
    timeout: float

    @property
    def kept(self) -> str:
        """Where the target's own configuration is meanwhile: on the volume, beside its data.

        At the volume's root there is no beside, since pg_rewind removes what it does not know: then in
        the helper.
        """
        target = self.target
        return _LOG + "-kept" if target.directory == target.root else f"{target.directory}.pgnb-kept"

    def run(self, helper: Helper) -> str:
        """Rewind, in a helper pod on the target's volume. What came of it, in words.

        Raises ChangeFailed, which says whether the data are as they were or half rewound.
        """
        started = monotonic()
        checkpoint(self.primary)
        with let_in(self.primary, self.source, helper.pod.ip):
            status, log = self._in_background(helper)
        if status:
            raise self._failed(log)
        self._drop_kept(helper)
        copied = _PERCENT.findall(log)
        how = f"{copied[-1].split('/')[0]} kB copied" if copied else "its data had not parted"
        return f"{how}, its own configuration kept, in {format_duration(monotonic() - started)}"

    def _in_background(self, helper: Helper) -> tuple[int, str]:
        """It may take hours, longer than a connection lasts: so it runs by itself, and is looked at."""
        places = (self.target.directory, self.primary.facts.bin_dir)
        connection = self.source.connection(REWIND_NAME, HELPER_PASSFILE)
        arguments = (*self.source.passfile_arguments(HELPER_PASSFILE), *places, connection, self.kept)
        program = scripts.argv("passfile", "rewind", args=(*arguments, *self.target.options()))
        what = f"pg_rewind of {self.target.directory} from {self.source.host}:{self.source.port}"
        helper.exec(scripts.argv("background", args=(_LOG, *program)), changes=what)
        lines = wait_until(
            f"pg_rewind of {self.target.name}",
            lambda: self._look(helper, 1),
            _ended,
            timeout=self.timeout,
            every=0.25,
            describe=lambda seen: seen[-1] if seen else "runs",
        )
        return int(lines[0].removeprefix("status=")), "\n".join(self._look(helper, 40)[1:])

    def _look(self, helper: Helper, lines: int) -> list[str]:
        return helper.exec(scripts.argv("look", args=(_LOG, str(lines)))).text.splitlines()

    def _drop_kept(self, helper: Helper) -> None:
        helper.exec(["rm", "-rf", "--", self.kept], changes=f"remove {self.kept}")

    def _failed(self, log: str) -> ChangeFailed:
        lines = [line for line in log.splitlines() if line.strip() and not _PERCENT.search(line)]
        untouched = bool(lines) and lines[-1] == "untouched"
        state = (
            "Its data are as they were. Run this again when the cause is gone, or take a new base backup"
            " (rejoin_way = 'base backup')."
            if untouched
            else f"Its data are half rewound and its own configuration is in {self.kept}: a new base backup"
            " must replace them (rejoin_way = 'base backup')."
        )
        return ChangeFailed("pg_rewind failed", found=" | ".join(lines[-6:-1]), remedy=state)


def _ended(lines: list[str]) -> bool:
    return bool(lines) and lines[0].startswith("status=")


def checkpoint(primary: Server) -> None:
    """A CHECKPOINT on the new primary, however long it takes.

    Until then its control file still names the old timeline, and pg_rewind of 15 and older takes a server
    that has parted for one that has not.
    """
    with (
        primary.journal.act(primary.name, "CHECKPOINT, so that the control file names the new timeline"),
        primary.new_session(statement_timeout=0) as session,
    ):
        session.execute("CHECKPOINT")


@contextmanager
def let_in(primary: Server, source: Source, address: str) -> Iterator[None]:
    """While the block runs, the replication role may do what pg_rewind does, from one address.

    That is EXECUTE on four functions and a rule of pg_hba.conf; both only where they are missing, and both
    are taken back afterwards, also on an error.
    """
    rows = primary.query("physical/rewind_rights", {"role": source.role}, database=source.database)
    lacking = ", ".join(str(row["signature"]) for row in rows)
    take_back = _open_door(primary, source, address)
    try:
        if lacking:
            _execute(primary, source, f"GRANT EXECUTE ON FUNCTION {lacking} TO {{}}")
        yield
    finally:
        if lacking:
            _execute(primary, source, f"REVOKE EXECUTE ON FUNCTION {lacking} FROM {{}}")
        take_back()


def _execute(primary: Server, source: Source, template: str) -> None:
    """`template` is made of constants and of a place for the role's name."""
    primary.execute(compose(template, identifier(source.role)), database=source.database)


def _open_door(primary: Server, source: Source, address: str) -> Callable[[], object]:
    """A rule for the helper's address, where no rule lets it in; what takes it back."""
    if explain_hba(primary, source.database, source.role, address).lets_in:
        return lambda: None
    network = f"{address}/{ip_address(address).max_prefixlen}"
    done = plan_hba(primary, [HbaRule("host", source.database, source.role, network)]).apply()
    undo = done.undo
    return (lambda: undo().apply()) if undo is not None else lambda: None
