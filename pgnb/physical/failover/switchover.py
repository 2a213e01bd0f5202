"""A planned switchover: stop writes, let the candidate replay the last WAL, promote it; no row is lost.

The order makes it safe: everything can be undone until the promotion begins.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pgnb.cluster import Helper
from pgnb.cluster.persistence import assert_claims_kept
from pgnb.cluster.role_change_mark import ROLE_CHANGE
from pgnb.core.errors import ChangeFailed, GateClosed, PgnbError
from pgnb.core.plan import Change, Confirmation, Step
from pgnb.core.wait import wait_until
from pgnb.physical.failover.fence import scale_away, wait_gone
from pgnb.physical.failover.inprogress import clear_mark, mark_phase
from pgnb.physical.failover.participants import RoleChange
from pgnb.physical.failover.promotion import PARAMETER, promote
from pgnb.physical.failover.readiness import switchover_prechecks
from pgnb.physical.failover.shutdown_state import set_standby_signal
from pgnb.physical.failover.undo import Before, next_step, reasons_against_undo
from pgnb.physical.failover.volume import fence_volume, open_early, open_on
from pgnb.physical.failover.weak import weak_fence
from pgnb.physical.failover.write_block import WriteBlock
from pgnb.physical.target import Target
from pgnb.postgres import Server
from pgnb.postgres.progress import marker, replay_progress, wait_replayed
from pgnb.postgres.services import own_labels, switch


@dataclass
class Switchover:
    """One switchover in progress; if a phase fails, the flags say what must be undone."""

    role_change: RoleChange
    old: Server
    timeout: float
    write_block: WriteBlock
    before: Before
    labels: dict[str, str] = field(default_factory=dict)
    helper: Helper | None = field(default=None, repr=False)
    scaled: bool = False
    signalled: bool = False
    promoting: bool = False
    annotated: bool = False
    _stack: ExitStack = field(default_factory=ExitStack, repr=False)

    def steps(self) -> list[Step]:
        """Return the phases in order."""
        old, candidate = self.role_change.old.name, self.role_change.candidate.name
        return [
            self._step(old, "CHECKPOINT, so that the shutdown is short", self.checkpoint),
            self._step(old, "start a helper pod on its volume", self.stand_by),
            self._step(old, "stop writes: read-only, clients' sessions ended", self.stop_writes),
            self._step(candidate, "the last LSN arrives", self.last_lsn),
            self._step(old, "fence: scale to 0, see its server ended", self.scale),
            self._step(old, "fence: its last checkpoint arrived, standby.signal", self.fence),
            self._step(candidate, "promote", self.take_over),
            self._step(f"service/{self.role_change.service}", "switch the Service", self.lead_clients),
            self._step(old, "see its pod gone and stay away", lambda: wait_gone(self.role_change)),
        ]

    def _step(self, target: str, what: str, act: Callable[[], str]) -> Step:
        return Step(target, what, lambda: self._guarded(what, act))

    def _guarded(self, what: str, act: Callable[[], str]) -> str:
        try:
            with self.role_change.phase(what):
                return act()
        except PgnbError as error:
            raise ChangeFailed(
                f"the switchover stopped: {error.message}",
                found=error.found,
                remedy=" ".join(part for part in (error.remedy, self.undo()) if part),
            ) from error
        except BaseException as interrupt:
            interrupt.add_note(self.undo())
            raise

    def checkpoint(self) -> str:
        """Run CHECKPOINT without a time limit: it may take minutes, but no client waits for it."""
        with self.old.new_session(statement_timeout=0) as session:
            session.execute("CHECKPOINT")
        return "done"

    def stand_by(self) -> str:
        """Start a helper pod on the volume before the server ends, if its claim allows two pods.

        The candidate's labels are read here, too, while no client waits yet.
        """
        self.labels = own_labels(self.role_change.candidate)
        target = self.role_change.old.target
        if target is None:
            return f"none: {self.role_change.old.fence_limitation}"
        self.helper = open_early(self.role_change, self._stack)
        if self.helper is None:
            return "later: its claim allows one pod at a time, or no helper pod starts beside it"
        return f"pod/{self.helper.pod.name}"

    def _open_helper(self, target: Target) -> Helper:
        return self._stack.enter_context(
            open_on(self.role_change, target, start_timeout=target.start_timeout, lifetime=3600)
        )

    def stop_writes(self) -> str:
        """Block writes: from here on the old primary acknowledges no commit."""
        self.role_change.progress.writes_stopped_at = datetime.now(UTC)
        mark_phase(self.role_change, "stop writes", stopped=True, standing=self.write_block.previous_value())
        self.annotated = True
        return self.write_block.enable()

    def last_lsn(self) -> str:
        """Wait until the candidate has replayed everything that was acknowledged."""
        lsn = marker(self.old)
        seconds = wait_replayed(self.role_change.candidate, lsn, self.timeout)
        return f"{lsn}, replayed after {seconds:.3f} s"

    def scale(self) -> str:
        """Restore the configuration file for the next start, then scale to 0 and see the server end."""
        self.write_block.unpersist()
        self.scaled = True
        self.old.close()
        return scale_away(self.role_change, helper=self.helper)

    def fence(self) -> str:
        """Verify that the candidate replayed the last checkpoint, and put standby.signal on the volume."""
        target = self.role_change.old.target
        if target is None:
            return f"weak: {self.role_change.old.fence_limitation}"
        if self.helper is None:
            wait_gone(self.role_change)  # A claim for one pod at a time is free only then.
        helper = self.helper or self._open_helper(target)
        self.signalled = True
        words = fence_volume(self.role_change, target, helper)
        self._assert_covered()
        return words

    def _assert_covered(self) -> None:
        shutdown_state = self.role_change.progress.shutdown_state
        if shutdown_state is None or not shutdown_state.clean:
            state = shutdown_state.state if shutdown_state else "unknown"
            raise ChangeFailed(
                "the old primary did not shut down cleanly",
                found=f"state {state!r}",
                remedy="It was killed: set a longer terminationGracePeriodSeconds in its pod.",
            )
        wait_until(
            f"{self.role_change.candidate.name} to replay the last checkpoint",
            self._replayed,
            shutdown_state.covered_by,
            timeout=self.timeout,
            every=0.02,
            describe=str,
        )

    def _replayed(self) -> str | None:
        return replay_progress(self.role_change.candidate).replayed

    def take_over(self) -> str:
        """Check the fence again and promote; from here on the old primary stays fenced in any case."""
        self.promoting = True
        return promote(self.role_change)

    def lead_clients(self) -> str:
        """Switch the Service, end the helper pod, and clear the mark."""
        words = switch(self.role_change, self.before.service, self.labels)
        self._stack.close()
        return f"{words}; the change of roles is {clear_mark(self.role_change)}"

    def undo(self) -> str:
        """Undo what is safe to undo, and return what was done."""
        try:
            return self._undo()
        except PgnbError as error:
            return (
                f"NOT undone: {error.message} ({error.found}). {self._left()} {next_step(self.role_change)}"
            )
        finally:
            self._stack.close()

    def _undo(self) -> str:
        if self.promoting:
            return (
                f"The old primary stays fenced: the candidate may be a primary. {next_step(self.role_change)}"
            )
        self.scaled = self.scaled and not self.role_change.old.reload().replicas
        if self.scaled:
            # Two servers must never run on the same data directory.
            wait_gone(self.role_change)
        if self.scaled and self.role_change.old.pods():
            return (
                f"NOT undone, since its pod has not ended yet. {self._left()} {next_step(self.role_change)}"
            )
        target = self.role_change.old.target
        helper = (self.helper or self._open_helper(target)) if self.signalled and target else None
        if self._changed and (reasons := reasons_against_undo(self.role_change, self.before)):
            return f"NOT undone: {'; '.join(reasons)}. {self._left()} {next_step(self.role_change)}"
        if not self.scaled:
            return self._allow_writes()
        if helper is not None and target is not None:
            set_standby_signal(helper.exec, target.directory, there=False)
        self._stack.close()
        self.role_change.cluster.scale_and_wait(self.role_change.old.workload, 1)
        self.old.reopen()
        return f"Undone: the old primary runs and accepts writes again.{self._remove_annotation()}"

    def _allow_writes(self) -> str:
        words = self.write_block.disable()
        return f"{words}{self._remove_annotation()}" if self.annotated else words

    def _remove_annotation(self) -> str:
        """Remove the mark; return a sentence if that fails."""
        try:
            clear_mark(self.role_change)
        except PgnbError as error:
            return f" Its annotation {ROLE_CHANGE} stays: {error.message}."
        return ""

    @property
    def _changed(self) -> bool:
        """Whether the old primary's writes were stopped at all."""
        return self.scaled or self.write_block.edit is not None

    def _left(self) -> str:
        state = "scaled to 0" if self.scaled else "running, and read-only by default_transaction_read_only"
        return f"{self.role_change.old.name} stays as it is: {state}."


def plan_switchover(role_change: RoleChange, *, timeout: float = 30.0) -> Change:
    """Plan the switchover, behind `allow_promotion`; empty if the candidate is already a primary.

    `timeout` in seconds: how long the last WAL may take to arrive. If a phase fails before the promotion
    begins, everything is undone, and the old primary serves again. Raises as `read_service` does.
    """
    title = f"Switch over from {role_change.old.name} to {role_change.candidate.name}"
    journal = role_change.cluster.journal
    if role_change.operation != "switchover":
        return Change(title, journal, note=f"The operation is {role_change.operation}.")
    if not role_change.candidate.present or role_change.done:
        note = (
            "It is already a primary." if role_change.candidate.present else "The standby does not exist yet."
        )
        return Change(title, journal, note=note)
    assert_claims_kept(role_change.old.name, role_change.old.workload.object["spec"])
    old = _running(role_change)
    if old is None:
        return Change(title, journal, note="The primary does not answer; an applied run stops at the gate.")
    block = WriteBlock(old, role_change.progress.mark)
    work = Switchover(role_change, old, timeout, block, Before.of(role_change))
    return Change(
        title,
        journal,
        _roles(old.name, role_change.candidate.name, role_change),
        _roles(role_change.candidate.name, "", role_change),
        work.steps(),
        note="A failure before the promotion is undone. No acknowledged row is lost.",
        undo_text="a switchover with the roles exchanged, after the old primary has rejoined",
        confirmations=[
            Confirmation(PARAMETER, True, "Clients are cut off and must connect again."),
            *weak_fence(role_change),
        ],
        precheck=lambda: switchover_prechecks(role_change),
    )


def _roles(primary: str, standby: str, role_change: RoleChange) -> str:
    other = standby or f"{role_change.old.name}, scaled to 0 and fenced"
    return f"primary: {primary}\nstandby: {other}\nService {role_change.service}: {primary}\n"


def _running(role_change: RoleChange) -> Server | None:
    """Return the running primary; None only in a plan-only run. Raises GateClosed."""
    server, why = role_change.old.server()
    if server is None or server.facts.in_recovery:
        if role_change.cluster.dry_run:
            return None
        raise GateClosed(
            f"{role_change.old.name} is not a running primary",
            found=why or "it is a standby",
            remedy="If the primary is lost, set operation = failover. Otherwise check the parameter primary.",
        )
    return server
