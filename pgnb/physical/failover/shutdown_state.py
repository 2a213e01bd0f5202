"""How the old primary's server ended, and the WAL that no standby has, read from its volume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pgnb.cluster import ExecResult
from pgnb.core.display import Table, format_bytes, key_value_table
from pgnb.core.errors import ChangeFailed
from pgnb.physical import scripts
from pgnb.postgres.progress import lsn_bytes, lsn_diff, lsn_text

Run = Callable[..., ExecResult]
_CLEAN = ("shut down", "shut down in recovery")


@dataclass(frozen=True)
class ShutdownState:
    """The output of pg_controldata and pg_waldump on the stopped server's volume.

    `checkpoint` is the LSN of its last checkpoint record, `end` that of its last complete WAL record at or
    after `start` (empty: none, or not read), `commits` the number of transactions committed from `start`
    on.
    """

    system_identifier: str
    state: str
    timeline: int
    checkpoint: str
    signal: bool
    start: str = ""
    end: str = ""
    commits: int | None = None

    @property
    def clean(self) -> bool:
        """Whether the server was shut down cleanly, so that its last record is its checkpoint."""
        return self.state in _CLEAN

    def covered_by(self, replayed: str | None) -> bool:
        """Whether a standby that replayed so far has everything that this server wrote."""
        return self.clean and replayed is not None and lsn_bytes(replayed) > lsn_bytes(self.checkpoint)

    @property
    def beyond(self) -> int | None:
        """Bytes of WAL after `start`; None if not read."""
        if self.commits is None:
            return None
        return max(0, lsn_diff(self.end, self.start)) if self.end else 0

    @property
    def table(self) -> Table:
        """One line for each fact."""
        facts = {
            "state": self.state,
            "timeline": self.timeline,
            "last checkpoint": self.checkpoint,
            "standby.signal": self.signal,
            "WAL that the standby lacks": format_bytes(self.beyond),
            "commits in it": self.commits,
        }
        return key_value_table("The old primary's volume", facts)


def read_shutdown_state(
    run: Run, directory: str, bin_dir: str, *, start: str = "", timeline: int = 0
) -> ShutdownState:
    """Read the state with `run`, which runs an argv in a container that has mounted the volume.

    The WAL of `timeline` is read from `start` to its end. Raises ChangeFailed if there is no control file.
    """
    argv = scripts.argv("shutdown_state", args=(directory, bin_dir, start, str(timeline or "")))
    return parse_shutdown_state(run(argv, timeout=600.0).text, start)


def parse_shutdown_state(text: str, start: str = "") -> ShutdownState:
    """Parse the script's KEY=VALUE lines."""
    found = scripts.key_values(text)
    if "state" not in found:
        raise ChangeFailed(
            "the old primary's data directory has no readable control file",
            found=text[:300] or "nothing",
            remedy="Check primary_data_directory and the claim. Leave the volume unchanged.",
        )
    commits = found.get("commits", "")
    return ShutdownState(
        found.get("system_identifier", ""),
        found["state"],
        int(found.get("timeline") or 0),
        found.get("checkpoint", ""),
        "signal" in found,
        start,
        _plain(found.get("end", "")),
        int(commits) if commits.isdigit() else None,
    )


def _plain(lsn: str) -> str:
    """Return an LSN without leading zeros, which pg_waldump writes."""
    return lsn_text(lsn_bytes(lsn)) if lsn else ""


def set_standby_signal(run: Run, directory: str, *, there: bool) -> None:
    """Create standby.signal in the data directory and flush it, or remove it."""
    argv: Sequence[str] = scripts.argv("signal", args=(directory, "put" if there else "remove"))
    run(argv, changes=f"{'put' if there else 'remove'} {directory}/standby.signal")
