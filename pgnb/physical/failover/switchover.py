"""A planned switchover: writes stop, the standby gets the last of them, and takes over; no row is lost.

The order is what makes it safe: until the old primary is gone for good, everything can be put back.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pgnb.cluster import Helper
from pgnb.cluster.persistence import assert_claims_kept
from pgnb.cluster.rolechange import ROLE_CHANGE
from pgnb.core.errors import ChangeFailed, GateClosed, PgnbError
from pgnb.core.plan import Change, Confirmation, Step
from pgnb.core.wait import wait_until
from pgnb.physical.failover.fence import scale_away, wait_gone
from pgnb.physical.failover.inprogress import clear_mark, mark_phase
from pgnb.physical.failover.promotion import PARAMETER, promote
from pgnb.physical.failover.putback import Before, against_putting_back, going_on
from pgnb.physical.failover.quiet import Quiet
from pgnb.physical.failover.readiness import switchover_checks
from pgnb.physical.failover.remains import leave_signal
from pgnb.physical.failover.succession import Succession
from pgnb.physical.failover.volume import beside, fence_volume, open_on
from pgnb.physical.failover.weak import weak_fence
from pgnb.physical.target import Target
from pgnb.postgres import Server
from pgnb.postgres.progress import marker, replay_progress, wait_replayed
from pgnb.postgres.services import own_labels, switch


@dataclass
class Switchover:
    """One switchover in progress; what was done decides what is put back when a phase fails."""

    pair: Succession
    old: Server
    timeout: float
    quiet: Quiet
    before: Before
    labels: dict[str, str] = field(default_factory=dict)
    helper: Helper | None = field(default=None, repr=False)
    scaled: bool = False
    signalled: bool = False
    promoting: bool = False
    marked: bool = False
    _stack: ExitStack = field(default_factory=ExitStack, repr=False)

    def steps(self) -> list[Step]:
        """The phases in order."""
        old, candidate = self.pair.old.name, self.pair.candidate.name
        return [
            self._step(old, "CHECKPOINT, so that the shutdown is short", self.checkpoint),
            self._step(old, "a helper pod waits beside its volume", self.stand_by),
            self._step(old, "stop writes: read-only, clients' sessions ended", self.stop_writes),
            self._step(candidate, "the last LSN arrives", self.last_lsn),
            self._step(old, "fence: scale to 0, see its server ended", self.scale),
            self._step(old, "fence: its last checkpoint arrived, standby.signal", self.fence),
            self._step(candidate, "promote", self.take_over),
            self._step(f"service/{self.pair.service}", "switch the Service", self.lead_clients),
            self._step(old, "see its pod gone and stay away", lambda: wait_gone(self.pair)),
        ]

    def _step(self, target: str, what: str, act: Callable[[], str]) -> Step:
        return Step(target, what, lambda: self._guarded(what, act))

    def _guarded(self, what: str, act: Callable[[], str]) -> str:
        try:
            with self.pair.phase(what):
                return act()
        except PgnbError as error:
            raise ChangeFailed(
                f"the switchover stopped: {error.message}",
                found=error.found,
                remedy=" ".join(part for part in (error.remedy, self.put_back()) if part),
            ) from error
        except BaseException as interrupt:
            interrupt.add_note(self.put_back())
            raise

    def checkpoint(self) -> str:
        """Without a limit: a busy server may write for minutes, and nobody waits for it."""
        with self.old.new_session(statement_timeout=0) as session:
            session.execute("CHECKPOINT")
        return "done"

    def stand_by(self) -> str:
        """A helper that is there already when the server is gone; where its claim allows two pods.

        The candidate's labels are read here for the same reason: no client waits yet.
        """
        self.labels = own_labels(self.pair.candidate)
        target = self.pair.old.target
        if target is None:
            return f"none: {self.pair.old.weak}"
        self.helper = beside(self.pair, self._stack)
        if self.helper is None:
            return "later: its claim takes one pod at a time, or no helper pod starts beside it"
        return f"pod/{self.helper.pod.name}"

    def _open_helper(self, target: Target) -> Helper:
        return self._stack.enter_context(
            open_on(self.pair, target, start_timeout=target.start_timeout, lifetime=3600)
        )

    def stop_writes(self) -> str:
        """From here on, no client of the old primary is told that a commit is done."""
        self.pair.quiet_from = datetime.now(UTC)
        mark_phase(self.pair, "stop writes", stopped=True, standing=self.quiet.standing())
        self.marked = True
        return self.quiet.begin()

    def last_lsn(self) -> str:
        """The candidate has replayed everything that was ever acknowledged."""
        lsn = marker(self.old)
        seconds = wait_replayed(self.pair.candidate, lsn, self.timeout)
        return f"{lsn}, replayed after {seconds:.3f} s"

    def scale(self) -> str:
        """The file is put right first, without a reload: the next start is an ordinary one again."""
        self.quiet.forget()
        self.scaled = True
        self.old.close()
        return scale_away(self.pair, helper=self.helper)

    def fence(self) -> str:
        """The proof for no loss and for a return without pg_rewind; then standby.signal."""
        target = self.pair.old.target
        if target is None:
            return f"weak: {self.pair.old.weak}"
        if self.helper is None:
            wait_gone(self.pair)  # A claim that takes one pod at a time is free only then.
        helper = self.helper or self._open_helper(target)
        self.signalled = True
        words = fence_volume(self.pair, target, helper)
        self._assert_covered()
        return words

    def _assert_covered(self) -> None:
        remains = self.pair.remains
        if remains is None or not remains.clean:
            state = remains.state if remains else "unknown"
            raise ChangeFailed(
                "the old primary did not shut down in order",
                found=f"state {state!r}",
                remedy="Give its pod a longer terminationGracePeriodSeconds: it was killed.",
            )
        wait_until(
            f"{self.pair.candidate.name} to replay the last checkpoint",
            self._replayed,
            remains.covered_by,
            timeout=self.timeout,
            every=0.02,
            describe=str,
        )

    def _replayed(self) -> str | None:
        return replay_progress(self.pair.candidate).replayed

    def take_over(self) -> str:
        """The fence is looked at once more; from the order on the old primary stays fenced, come what may."""
        self.promoting = True
        return promote(self.pair)

    def lead_clients(self) -> str:
        """The Service, and the helper's end."""
        words = switch(self.pair, self.before.service, self.labels)
        self._stack.close()
        return f"{words}; the change of roles is {clear_mark(self.pair)}"

    def put_back(self) -> str:
        """As it was before, as far as that is safe; what was done, in words."""
        try:
            return self._put_back()
        except PgnbError as error:
            return f"NOT put back: {error.message} ({error.found}). {self._left()} {going_on(self.pair)}"
        finally:
            self._stack.close()

    def _put_back(self) -> str:
        if self.promoting:
            return f"The old primary stays fenced: the candidate may be a primary. {going_on(self.pair)}"
        self.scaled = self.scaled and not self.pair.old.again().replicas
        if self.scaled:
            # A second server must not start beside one that is still ending, on the same data directory.
            wait_gone(self.pair)
        if self.scaled and self.pair.old.pods():
            return f"NOT put back, since its pod has not ended yet. {self._left()} {going_on(self.pair)}"
        target = self.pair.old.target
        helper = (self.helper or self._open_helper(target)) if self.signalled and target else None
        if self._changed and (reasons := against_putting_back(self.pair, self.before)):
            return f"NOT put back: {'; '.join(reasons)}. {self._left()} {going_on(self.pair)}"
        if not self.scaled:
            return self._let_writes_in()
        if helper is not None and target is not None:
            leave_signal(helper.exec, target.directory, there=False)
        self._stack.close()
        self.pair.cluster.scale_and_wait(self.pair.old.workload, 1)
        self.old.reopen()
        return f"Put back: the old primary runs and accepts writes again.{self._unmarked()}"

    def _let_writes_in(self) -> str:
        words = self.quiet.end()
        return f"{words}{self._unmarked()}" if self.marked else words

    def _unmarked(self) -> str:
        """The mark goes with what it told of; a failure of that is said, and takes nothing back."""
        try:
            clear_mark(self.pair)
        except PgnbError as error:
            return f" Its annotation {ROLE_CHANGE} stays: {error.message}."
        return ""

    @property
    def _changed(self) -> bool:
        """Whether the old primary was kept from taking writes at all."""
        return self.scaled or self.quiet.edit is not None

    def _left(self) -> str:
        state = "scaled to 0" if self.scaled else "running, and read-only by default_transaction_read_only"
        return f"{self.pair.old.name} stays as it is: {state}."


def plan_switchover(pair: Succession, *, timeout: float = 30.0) -> Change:
    """Hand the role over, behind `allow_promotion`; nothing to do where the candidate has it.

    `timeout` in seconds: how long the last WAL may take to arrive. Until the promotion begins, a phase that
    fails puts everything back, and the old primary serves again. Raises as `read_service` does.
    """
    title = f"Switch over from {pair.old.name} to {pair.candidate.name}"
    journal = pair.cluster.journal
    if pair.path != "switchover":
        return Change(title, journal, note=f"The path is {pair.path}.")
    if not pair.candidate.present or pair.done:
        note = "It has the role already." if pair.candidate.present else "The standby is not there yet."
        return Change(title, journal, note=note)
    assert_claims_kept(pair.old.name, pair.old.workload.object["spec"])
    old = _running(pair)
    if old is None:
        return Change(title, journal, note="The primary does not answer; the gate would have stopped here.")
    work = Switchover(pair, old, timeout, Quiet(old, pair.change), Before.of(pair))
    return Change(
        title,
        journal,
        _roles(old.name, pair.candidate.name, pair),
        _roles(pair.candidate.name, "", pair),
        work.steps(),
        note="Until the promotion, whatever fails is put back. No acknowledged row is lost.",
        undo_text="the same with the roles exchanged, once the old primary follows",
        confirmations=[
            Confirmation(PARAMETER, True, "Clients are cut off and must connect again."),
            *weak_fence(pair),
        ],
        precheck=lambda: switchover_checks(pair),
    )


def _roles(primary: str, standby: str, pair: Succession) -> str:
    other = standby or f"{pair.old.name}, scaled to 0 and fenced"
    return f"primary: {primary}\nstandby: {other}\nService {pair.service}: {primary}\n"


def _running(pair: Succession) -> Server | None:
    """The primary that hands over; None only in a run that plans. Raises GateClosed."""
    server, why = pair.old.server()
    if server is None or server.facts.in_recovery:
        if pair.cluster.dry_run:
            return None
        raise GateClosed(
            f"{pair.old.name} is no primary that could hand over",
            found=why or "it is a standby",
            remedy="Where the primary is lost, path = failover; check the parameter primary otherwise.",
        )
    return server
