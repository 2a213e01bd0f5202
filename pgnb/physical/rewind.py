"""Run pg_rewind for a stopped server on its own volume, and keep its configuration."""

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
"""In the helper pod's own container."""
_PERCENT = re.compile(r"\d+/\d+ kB \(\d+%\)")


@dataclass(frozen=True)
class Rewind:
    """One pg_rewind: it resets the target's data to the fork, and copies what the source changed."""

    primary: Server
    target: Target
    source: Source
    timeout: float

    @property
    def kept(self) -> str:
        """Where the target's own configuration is kept during pg_rewind: on the volume, beside its data.

        Data at the volume's root have nothing beside them, since pg_rewind removes unknown files. Then it
        is kept in the helper pod.
        """
        target = self.target
        return _LOG + "-kept" if target.directory == target.root else f"{target.directory}.pgnb-kept"

    def run(self, helper: Helper) -> str:
        """Rewind in a helper pod on the target's volume, and describe the result.

        Raises ChangeFailed, which says whether the data are unchanged or half rewound.
        """
        started = monotonic()
        checkpoint(self.primary)
        with rewind_access(self.primary, self.source, helper.pod.ip):
            status, log = self._in_background(helper)
        if status:
            raise self._failed(log)
        self._drop_kept(helper)
        copied = _PERCENT.findall(log)
        how = f"{copied[-1].split('/')[0]} kB copied" if copied else "its data had not diverged"
        return f"{how}, its own configuration kept, in {format_duration(monotonic() - started)}"

    def _in_background(self, helper: Helper) -> tuple[int, str]:
        """Run it in the background and poll it, since it may take longer than a connection lasts."""
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
        if lines and lines[-1] == "untouched":
            remedy = "Its data are unchanged. Remove the cause, then run this again."
        else:
            remedy = (
                f"Its data are half rewound, and its own configuration is in {self.kept}. Run this"
                " again: it makes"
                " a new base backup."
            )
        return ChangeFailed("pg_rewind failed", found=" | ".join(lines[-6:-1]), remedy=remedy)


def _ended(lines: list[str]) -> bool:
    return bool(lines) and lines[0].startswith("status=")


def checkpoint(primary: Server) -> None:
    """Run a CHECKPOINT on the new primary, without a time limit.

    Until then its control file names the old timeline, and pg_rewind up to 15 does not see that the servers
    have diverged.
    """
    with (
        primary.journal.act(primary.name, "CHECKPOINT, so that the control file names the new timeline"),
        primary.new_session(statement_timeout=0) as session,
    ):
        session.execute("CHECKPOINT")


@contextmanager
def rewind_access(primary: Server, source: Source, address: str) -> Iterator[None]:
    """Give the replication role the rights of pg_rewind during the block, from one address.

    These are EXECUTE on four functions and a rule in pg_hba.conf. What was missing is granted, and revoked
    after the block, also on an error.
    """
    rows = primary.query("physical/rewind_rights", {"role": source.role}, database=source.database)
    missing = ", ".join(str(row["signature"]) for row in rows)
    remove_rule = _add_rule(primary, source, address)
    try:
        if missing:
            _execute(primary, source, f"GRANT EXECUTE ON FUNCTION {missing} TO {{}}")
        yield
    finally:
        if missing:
            _execute(primary, source, f"REVOKE EXECUTE ON FUNCTION {missing} FROM {{}}")
        remove_rule()


def _execute(primary: Server, source: Source, template: str) -> None:
    """Execute a statement; `template` consists of constants and a placeholder for the role."""
    primary.execute(compose(template, identifier(source.role)), database=source.database)


def _add_rule(primary: Server, source: Source, address: str) -> Callable[[], object]:
    """Add a pg_hba.conf rule for the address if it has none, and return a function that removes it."""
    if explain_hba(primary, source.database, source.role, address).lets_in:
        return lambda: None
    network = f"{address}/{ip_address(address).max_prefixlen}"
    done = plan_hba(primary, [HbaRule("host", source.database, source.role, network)]).apply()
    undo = done.undo
    return (lambda: undo().apply()) if undo is not None else lambda: None
