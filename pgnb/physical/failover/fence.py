"""The fence: the old primary scaled to 0, its server seen to have ended, standby.signal on its volume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from time import monotonic

from pgnb.cluster import Helper, Pod
from pgnb.cluster.persistence import assert_claims_kept
from pgnb.core.checks import Check, Checks
from pgnb.core.errors import ApiUnreachable, DeadlineExceeded, LeaseLost, ParameterError, PgnbError
from pgnb.core.plan import Change, Confirmation, Step
from pgnb.core.wait import wait_until
from pgnb.physical.failover.ended import running_pods
from pgnb.physical.failover.inprogress import mark_phase
from pgnb.physical.failover.readiness import failover_checks
from pgnb.physical.failover.succession import Succession
from pgnb.physical.failover.volume import beside, mark, open_on, read_now, reason_of
from pgnb.physical.failover.weak import reconcilers, weak_fence

_LOOK_AT_VOLUME = 1.0
_GRACE, _AFTER_GRACE = 30.0, 60.0
"""Seconds: Kubernetes' own grace period, and what a pod may take to be gone once its own is over."""


def plan_fence(
    pair: Succession, *, confirm_gone: str = "", confirmed_by: str = "", timeout: float | None = None
) -> Change:
    """Scale the old primary to 0, see its server ended, read its volume, and put standby.signal there.

    Asks for `allow_promotion`; where the old primary still answers, for `fence_answering_primary`, its
    workload's name; for `accept_weak_fence` where something may scale it back or its volume can't be fenced;
    for `accept_loss` where it is known before that the loss can't be read. A pod that can't be seen to have
    ended (its node does not report, or its deletion is overdue) asks for `confirm_gone` to be its name, and
    for who says so; its volume is then left alone. Empty where another path was chosen, and where the old
    primary is a standby already. `timeout` in seconds, for its server to end; without one, its pod's grace
    period and a minute. Raises ParameterError for a confirmation without a name.
    """
    title, old, journal = f"Fence {pair.old.name}", pair.old, pair.cluster.journal
    if pair.path != "failover":
        return Change(title, journal, note=f"The path is {pair.path}.")
    if confirm_gone and not confirmed_by:
        raise ParameterError(
            "a pod is confirmed to be gone by nobody",
            found=f"confirm_gone = {confirm_gone!r}",
            remedy="Set confirmed_by to the name of who has seen to it: the record keeps it.",
        )
    assert_claims_kept(old.name, old.workload.object["spec"])
    if _follows(pair):
        return Change(title, journal, note=f"{old.name} is a standby already.")
    unseen = old.unseen()
    vouched = confirm_gone if confirm_gone in {pod.name for pod in unseen} else ""
    pair.unreadable = pair.unreadable or (old.claim_lost if old.target else "")
    if not old.again().replicas and not old.pods() and _look(pair):
        return Change(title, journal, note=f"It is scaled to 0, and would come up read-only: {old.volume}.")
    work = Fence(pair, vouched, confirmed_by, timeout)
    change = Change(
        title,
        journal,
        _before(pair),
        _after(pair, unseen),
        work.steps(),
        note=_tools(pair),
        undo_text=f"remove standby.signal and scale {old.name} to 1, unless promoted",
        confirmations=_confirmations(pair, unseen),
        precheck=lambda: failover_checks(pair),
    )
    change.grant(confirm_gone=confirm_gone)
    return change


def _confirmations(pair: Succession, unseen: Sequence[Pod]) -> list[Confirmation]:
    name = pair.old.workload.name
    asked = [Confirmation("allow_promotion", True, "The old primary is stopped: it takes no writes.")]
    if pair.old.answers:
        why = f"{pair.old.name} still serves: path = switchover loses nothing. To stop it, name it."
        asked.append(Confirmation("fence_answering_primary", name, why))
    asked += [*weak_fence(pair), *(_gone(pod) for pod in unseen)]
    if pair.old.target is None or pair.unreadable or unseen:
        why = "Its volume can't be read, so nobody can say how much would be lost."
        asked.append(Confirmation("accept_loss", True, why))
    return asked


@dataclass
class Fence:
    """One fence in progress. A helper pod stands beside the volume where it can, so that the end is seen."""

    pair: Succession
    vouched: str
    by: str
    timeout: float | None
    helper: Helper | None = field(default=None, repr=False)
    _stack: ExitStack = field(default_factory=ExitStack, repr=False)

    def steps(self) -> list[Step]:
        """The two phases."""
        return [
            _step(self.pair, "scale to 0, see its server ended", _scale_words(self.pair), self.scale),
            _step(self.pair, "read its volume, standby.signal", _mark_words(self.pair), self.mark),
        ]

    def scale(self) -> str:
        """Its helper is opened before the server goes, and kept for the next step."""
        try:
            if not self.vouched and any(pod.started_at for pod in self.pair.old.pods()):
                self.helper = beside(self.pair, self._stack)
            return scale_away(self.pair, self.vouched, self.by, self.timeout, self.helper)
        except BaseException:
            self._stack.close()
            raise

    def mark(self) -> str:
        """Read and fence the volume; where it can't be worked on, say how weak the fence is."""
        with self._stack:
            if self.helper is None and self.pair.old.target and not self.pair.confirmed:
                wait_gone(self.pair)  # A claim that takes one pod at a time is free only then.
            return mark(self.pair, self.helper)


def _step(pair: Succession, phase: str, what: str, act: Callable[[], str]) -> Step:
    def run() -> str:
        with pair.phase(f"fence: {phase}"):
            return act()

    return Step(pair.old.name, what, run)


def _before(pair: Succession) -> str:
    old = pair.old
    pods = "".join(f"  {pod.name}: {old.trouble(pod) or 'Ready'}\n" for pod in old.pods())
    return f"{old.name}\nreplicas: {old.again().replicas}\n{pods}"


def _follows(pair: Succession) -> bool:
    """Whether the old primary runs as a standby: then there is nothing to be fenced off."""
    server, _ = pair.old.server() if pair.old.pods() else (None, "")
    return server is not None and server.present and server.facts.in_recovery


def _look(pair: Succession) -> bool:
    """Whether standby.signal lies on the volume already; the volume is read then."""
    target = pair.old.target
    if pair.cluster.dry_run:
        return True
    if target is None or pair.unreadable:
        return False
    try:
        with open_on(pair, target) as helper:
            pair.remains = read_now(pair, target, helper)
    except LeaseLost:
        raise
    except PgnbError as error:
        pair.unreadable = reason_of(error)
        return False
    pair.marked = pair.remains.signal
    return pair.marked


def _scale_words(pair: Succession) -> str:
    return f"scale from {pair.old.again().replicas} to 0 and see that its server has ended"


def _mark_words(pair: Succession) -> str:
    if pair.old.target is None:
        return f"say that the fence is weak: {pair.old.weak}"
    return f"read how it ended, and put standby.signal on the claim {pair.old.target.claim}, by a helper pod"


def _after(pair: Succession, unseen: Sequence[Pod]) -> str:
    gone = "".join(f"  {pod.name}: confirmed to be gone by name\n" for pod in unseen)
    return f"{pair.old.name}\nreplicas: 0\n{gone}standby.signal: {'no' if unseen else 'yes'}\n"


def _gone(pod: Pod) -> Confirmation:
    why = (
        f"Nobody can see whether {pod.name} on the node {pod.node or '?'} still runs; while it does, it takes"
        " writes that will be lost. See to it that the machine is off."
    )
    return Confirmation("confirm_gone", pod.name, why)


def _tools(pair: Succession) -> str:
    tools = ", ".join(reconcilers(pair))
    if not tools:
        return "Scaled back by mistake, it comes up read-only."
    return f"{tools} may scale {pair.old.name} back: set its replicas to 0 there, too."


def scale_away(
    pair: Succession,
    vouched: str = "",
    by: str = "",
    timeout: float | None = None,
    helper: Helper | None = None,
) -> str:
    """Scale to 0 and wait until no server of it can run, but for a pod that somebody vouches for.

    A pod that is still ending for the sake of another container is waited for later. Raises DeadlineExceeded
    with the pods that are left and how to go on.
    """
    old = pair.old
    patience = _patience(pair) if timeout is None else timeout
    mark_phase(pair, "fence", replicas=0, stopped=False)
    try:
        wait_until(
            f"no server of {old.name}",
            _looks(pair, helper),
            lambda pods: {pod.name for pod in pods} <= {vouched},
            timeout=patience,
            every=0.1,
            describe=lambda pods: "; ".join(f"{p.name}: {old.trouble(p) or 'Ready'}" for p in pods) or "none",
        )
    except DeadlineExceeded as late:
        left = running_pods(pair, helper)
        raise DeadlineExceeded(
            f"{old.name}: not every pod is seen to be gone",
            found=late.found,
            remedy="Nothing is promoted. Where its node is lost, have the machine switched off, then set"
            f" confirm_gone = {', '.join(pod.name for pod in left)!r} and confirmed_by to your name.",
        ) from late
    return _vouched(pair, vouched, by)


def _looks(pair: Succession, helper: Helper | None) -> Callable[[], list[Pod]]:
    """A look at the pods each time, and at the volume, which takes longer, once a second."""
    last = [monotonic()]

    def look() -> list[Pod]:
        if monotonic() - last[0] < _LOOK_AT_VOLUME:
            return running_pods(pair)
        last[0] = monotonic()
        return running_pods(pair, helper)

    return look


def wait_gone(pair: Succession) -> str:
    """Wait for the old primary's pods to be gone, which other containers may delay; said, not raised.

    So is an API server that is away: what was done before stands without it.
    """
    try:
        wait_until(
            f"no pod of {pair.old.name}",
            pair.old.pods,
            lambda pods: not pods,
            timeout=_patience(pair),
            every=0.2,
            describe=lambda pods: ", ".join(pod.name for pod in pods) or "none",
        )
        replicas = pair.old.again().replicas
    except DeadlineExceeded as late:
        return f"still ending: {late.found}"
    except ApiUnreachable as away:
        return f"not seen: {away.message}"
    return "gone" if not replicas else f"SCALED BACK to {replicas} by somebody else"


def _patience(pair: Succession) -> float:
    """The longest grace period of its pods, and some more."""
    graces = [float(pod.spec.get("terminationGracePeriodSeconds", _GRACE)) for pod in pair.old.pods()]
    return max(graces, default=_GRACE) + _AFTER_GRACE


def _vouched(pair: Succession, name: str, by: str) -> str:
    left = pair.old.pods()
    if not any(pod.name == name for pod in left):
        still = "; ".join(f"{pod.name} is still ending: {pair.ended.get(pod.uid, '')}" for pod in left)
        return still or "no pod is left"
    with pair.cluster.journal.act(pair.old.name, f"{by} confirms that the pod {name} is gone"):
        pair.confirmed[name] = by
    return f"{name} is gone, as {by} confirms"


def fenced(pair: Succession) -> Checks:
    """Read now: nothing that could accept writes runs on the old primary's place, or is about to."""
    old = pair.old
    workload = old.again()
    left = [pod.name for pod in running_pods(pair) if pod.name not in pair.confirmed]
    strangers = _strangers(pair)
    items = [
        Check(
            "scaled to 0",
            workload.replicas == 0,
            f"{workload.replicas} replicas",
            0,
            "Fence it first: its pod would come back, and there would be two primaries.",
        ),
        Check(
            "no server of it is left",
            not left,
            ", ".join(left) or "none",
            "none",
            "It may still accept writes: wait, or vouch for it by confirm_gone.",
        ),
        Check(
            "nobody else on its volume",
            not strangers,
            ", ".join(strangers) or "nobody",
            "nobody",
            "Another pod has mounted its claim; a server in it could accept writes.",
        ),
        Check(
            "read-only if it is scaled back",
            pair.marked,
            "yes" if pair.marked else "the fence is weak",
            "standby.signal on its volume",
            "Keep everybody from scaling it back.",
            advice=True,
        ),
    ]
    return Checks.of(f"{old.name} can't accept writes", items, pair.cluster.journal)


def _strangers(pair: Succession) -> list[str]:
    target = pair.old.target
    if target is None:
        return []
    own = {pod.uid for pod in pair.old.pods()}
    return [
        pod["metadata"]["name"]
        for pod in pair.cluster.list("pods")
        if pod["metadata"]["uid"] not in own
        and (pod.get("status") or {}).get("phase") in ("Pending", "Running")
        and (pod["metadata"].get("labels") or {}).get("app.kubernetes.io/component") != "helper"
        and any(
            (v.get("persistentVolumeClaim") or {}).get("claimName") == target.claim
            for v in pod["spec"].get("volumes") or []
        )
    ]
