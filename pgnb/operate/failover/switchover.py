"""A planned switchover: writes stop, the standby gets the last of them, and takes over; no row is lost.

The order is what makes it safe: until the old primary is gone for good, everything can be put back.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pgnb.checks import gate
from pgnb.cluster import Helper
from pgnb.errors import ChangeFailed, GateClosed, PgnbError
from pgnb.operate.failover.fence import fence_volume, fenced, helper_of, scale_away
from pgnb.operate.failover.promotion import PARAMETER, promote
from pgnb.operate.failover.putback import Before, against_putting_back, going_on
from pgnb.operate.failover.quiet import Quiet
from pgnb.operate.failover.readiness import switchover_checks
from pgnb.operate.failover.remains import leave_signal
from pgnb.operate.failover.service import switch
from pgnb.operate.failover.succession import Succession
from pgnb.plan import Change, Confirmation, Step
from pgnb.replication.target import Target
from pgnb.server import Server
from pgnb.server.progress import marker, replay_progress, wait_replayed
from pgnb.wait import wait_until

_SHARED_CLAIM = "ReadWriteOncePod"


@dataclass
class Switchover:
    """One switchover in progress; what was done decides what is put back when a phase fails."""

    pair: Succession
    old: Server
    timeout: float
    quiet: Quiet
    before: Before
    helper: Helper | None = field(default=None, repr=False)
    scaled: bool = False
    signalled: bool = False
    promoting: bool = False
    _stack: ExitStack = field(default_factory=ExitStack, repr=False)

    def steps(self) -> list[Step]:
        """The phases in order."""
        old, candidate = self.pair.old.name, self.pair.candidate.name
        return [
            self._step(old, "CHECKPOINT, so that the shutdown is short", self.checkpoint),
            self._step(old, "a helper pod waits beside its volume", self.stand_by),
            self._step(old, "stop writes: read-only, clients' sessions ended", self.stop_writes),
            self._step(candidate, "the last LSN arrives", self.last_lsn),
            self._step(old, "fence: scale to 0, see every pod gone", self.scale),
            self._step(old, "fence: its last checkpoint arrived, standby.signal", self.fence),
            self._step(candidate, "promote", self.take_over),
            self._step(f"service/{self.pair.service}", "switch the Service", self.lead_clients),
        ]

    def _step(self, target: str, what: str, act: Callable[[], str]) -> Step:
        return Step(target, what, lambda: self._guarded(what, act))

    def _guarded(self, what: str, act: Callable[[], str]) -> str:
        try:
            with self.pair.phase(what):
                return act()
        except PgnbError as error:
            raise ChangeFailed(
                f"the switchover stopped: {error.message}", found=error.found,
                remedy=" ".join(part for part in (error.remedy, self.put_back()) if part),
            ) from error  # fmt: skip
        except BaseException:
            self.put_back()
            raise

    def checkpoint(self) -> str:
        """Without a limit: a busy server may write for minutes, and nobody waits for it."""
        with self.old.new_session(statement_timeout=0) as session:
            session.execute("CHECKPOINT")
        return "done"

    def stand_by(self) -> str:
        """A helper that is there already when the server is gone; where its claim allows two pods."""
        target = self.pair.old.target
        if target is None:
            return f"none: {self.pair.old.weak}"
        volume = self.pair.cluster.volume(self.old.pod, self.old.facts.data_directory)
        if _SHARED_CLAIM in volume.access_modes:
            return f"later: {volume} takes one pod at a time"
        self.helper = self._open_helper(target)
        return f"pod/{self.helper.pod.name}"

    def _open_helper(self, target: Target) -> Helper:
        return self._stack.enter_context(
            self.pair.cluster.helper(helper_of(self.pair, target), lifetime=3600)
        )

    def stop_writes(self) -> str:
        """From here on, no client of the old primary is told that a commit is done."""
        self.pair.quiet_from = datetime.now(UTC)
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
        return scale_away(self.pair)

    def fence(self) -> str:
        """The proof for no loss and for a return without pg_rewind; then standby.signal."""
        target = self.pair.old.target
        if target is None:
            return f"weak: {self.pair.old.weak}"
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
                "the old primary did not shut down in order", found=f"state {state!r}",
                remedy="Give its pod a longer terminationGracePeriodSeconds: it was killed.",
            )  # fmt: skip
        wait_until(
            f"{self.pair.candidate.name} to replay the last checkpoint", self._replayed,
            remains.covered_by, timeout=self.timeout, every=0.02, describe=str,
        )  # fmt: skip

    def _replayed(self) -> str | None:
        return replay_progress(self.pair.candidate).replayed

    def take_over(self) -> str:
        """The fence is looked at once more; from then on the old primary stays fenced, come what may."""
        gate(fenced(self.pair))
        self.promoting = True
        return promote(self.pair)

    def lead_clients(self) -> str:
        """The Service, and the helper's end."""
        words = switch(self.pair)
        self._stack.close()
        return words

    def put_back(self) -> str:
        """As it was before, as far as that is safe; what was done, in words."""
        try:
            return self._put_back()
        except PgnbError as error:
            return f"PUTTING BACK FAILED: {error.message} ({error.found}). {self._by_hand()}"
        finally:
            self._stack.close()

    def _put_back(self) -> str:
        if self.promoting:
            return f"The old primary stays fenced: the candidate may be a primary. {going_on(self.pair)}"
        if self.scaled and self.pair.old.pods():
            # A second server would start beside the one that is still ending, on the same data directory.
            return f"NOT put back, since its pod has not ended yet. When it is gone: {self._by_hand()}"
        target = self.pair.old.target
        helper = (self.helper or self._open_helper(target)) if self.signalled and target else None
        if self._changed and (reasons := against_putting_back(self.pair, self.before)):
            return f"NOT put back: {'; '.join(reasons)}. {self._left()} {going_on(self.pair)}"
        if not self.scaled:
            return self.quiet.end()
        if helper is not None and target is not None:
            leave_signal(helper.exec, target.directory, there=False)
        self._stack.close()
        self.pair.cluster.scale_and_wait(self.pair.old.again(), 1)
        self.old.reopen()
        return "Put back: the old primary runs and accepts writes again."

    @property
    def _changed(self) -> bool:
        """Whether the old primary was kept from taking writes at all."""
        return self.scaled or self.quiet.edit is not None

    def _left(self) -> str:
        state = "scaled to 0" if self.scaled else "running, and read-only by default_transaction_read_only"
        return f"{self.pair.old.name} stays as it is: {state}."

    def _by_hand(self) -> str:
        name = self.pair.old.name
        return f"Scale {name} to 1 without standby.signal, or reset default_transaction_read_only on it."


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
    old = _running(pair)
    if old is None:
        return Change(title, journal, note="The primary does not answer; the gate would have stopped here.")
    work = Switchover(pair, old, timeout, Quiet(old), Before.of(pair))
    return Change(
        title, journal, _roles(old.name, pair.candidate.name, pair), _roles(pair.candidate.name, "", pair),
        work.steps(), note="Until the promotion, whatever fails is put back. No acknowledged row is lost.",
        undo_text="the same with the roles exchanged, once the old primary follows",
        confirmations=[Confirmation(PARAMETER, True, "Clients are cut off and must connect again.")],
        precheck=lambda: switchover_checks(pair),
    )  # fmt: skip


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
            f"{pair.old.name} is no primary that could hand over", found=why or "it is a standby",
            remedy="Where the primary is lost, path = failover; check the parameter primary otherwise.",
        )  # fmt: skip
    return server
