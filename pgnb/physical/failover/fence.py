"""The fence: scale the old primary to 0, see that its server has ended, put standby.signal on its volume."""

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
from pgnb.physical.failover.participants import RoleChange
from pgnb.physical.failover.readiness import failover_prechecks
from pgnb.physical.failover.volume import fence_data_directory, open_early, open_on, read_now, reason_of
from pgnb.physical.failover.weak import reconcilers, weak_fence

_LOOK_AT_VOLUME = 1.0
_GRACE, _AFTER_GRACE = 30.0, 60.0
"""Seconds: Kubernetes' default grace period, and how long a pod may take to disappear after its own."""


def plan_fence(
    role_change: RoleChange, *, confirm_gone: str = "", confirmed_by: str = "", timeout: float | None = None
) -> Change:
    """Plan to scale the old primary to 0, see that its server ended, read its volume and fence it.

    Needs `allow_promotion`. Needs `fence_answering_primary`, its workload's name, if the old primary still
    answers; `accept_weak_fence` if something may scale it back or its volume can't be fenced; `accept_loss`
    if the loss can't be read. For a pod that can't be seen to have ended (its node does not report, or its
    deletion is overdue) it needs `confirm_gone`, the pod's name, and `confirmed_by`; its volume is then not
    touched. Empty for another operation, and if the old primary is a standby already. `timeout` in seconds
    for its server to end; by default its pod's grace period and a minute. Raises ParameterError for
    `confirm_gone` without `confirmed_by`.
    """
    title, old, journal = f"Fence {role_change.old.name}", role_change.old, role_change.cluster.journal
    if role_change.operation != "failover":
        return Change(title, journal, note=f"The operation is {role_change.operation}.")
    if confirm_gone and not confirmed_by:
        raise ParameterError(
            "confirm_gone needs confirmed_by",
            found=f"confirm_gone = {confirm_gone!r}",
            remedy="Set confirmed_by to the name of the person who made sure of it. The record keeps it.",
        )
    assert_claims_kept(old.name, old.workload.object["spec"])
    if _follows(role_change):
        return Change(title, journal, note=f"{old.name} is a standby already.")
    unreachable = old.unreachable_pods()
    confirmed_pod = confirm_gone if confirm_gone in {pod.name for pod in unreachable} else ""
    progress = role_change.progress
    progress.unreadable = progress.unreadable or (old.claim_lost if old.target else "")
    if not old.reload().replicas and not old.pods() and _read_signal(role_change):
        return Change(title, journal, note=f"It is scaled to 0, and would start read-only: {old.volume}.")
    work = Fence(role_change, confirmed_pod, confirmed_by, timeout)
    change = Change(
        title,
        journal,
        _before(role_change),
        _after(role_change, unreachable),
        work.steps(),
        note=_tools(role_change),
        undo_text=f"remove standby.signal and scale {old.name} to 1, unless the candidate was promoted",
        confirmations=_confirmations(role_change, unreachable),
        precheck=lambda: failover_prechecks(role_change),
    )
    change.grant(confirm_gone=confirm_gone)
    return change


def _confirmations(role_change: RoleChange, unreachable: Sequence[Pod]) -> list[Confirmation]:
    name = role_change.old.workload.name
    asked = [Confirmation("allow_promotion", True, "The old primary is stopped, and accepts no writes.")]
    if role_change.old.answers:
        why = (
            f"{role_change.old.name} still serves; operation = switchover loses nothing. To stop it"
            " anyway, name it."
        )
        asked.append(Confirmation("fence_answering_primary", name, why))
    asked += [*weak_fence(role_change), *(_gone(pod) for pod in unreachable)]
    if role_change.old.target is None or role_change.progress.unreadable or unreachable:
        why = "Its volume can't be read, so the loss is unknown."
        asked.append(Confirmation("accept_loss", True, why))
    return asked


@dataclass
class Fence:
    """One fence in progress. If possible, a helper pod has mounted the volume and sees the server's end."""

    role_change: RoleChange
    confirmed_pod: str
    by: str
    timeout: float | None
    helper: Helper | None = field(default=None, repr=False)
    _stack: ExitStack = field(default_factory=ExitStack, repr=False)

    def steps(self) -> list[Step]:
        """Return the two phases."""
        return [
            _step(
                self.role_change,
                "scale to 0, see its server ended",
                _scale_words(self.role_change),
                self.scale,
            ),
            _step(
                self.role_change,
                "read its volume, standby.signal",
                _fence_words(self.role_change),
                self.fence,
            ),
        ]

    def scale(self) -> str:
        """Scale to 0; the helper pod is started before the server ends, and kept for the next step."""
        try:
            if not self.confirmed_pod and any(pod.started_at for pod in self.role_change.old.pods()):
                self.helper = open_early(self.role_change, self._stack)
            return scale_away(self.role_change, self.confirmed_pod, self.by, self.timeout, self.helper)
        except BaseException:
            self._stack.close()
            raise

    def fence(self) -> str:
        """Read and fence the volume; if that is impossible, return why the fence is weak."""
        with self._stack:
            confirmed = self.role_change.progress.confirmed
            if self.helper is None and self.role_change.old.target and not confirmed:
                wait_gone(self.role_change)  # A claim for one pod at a time is free only then.
            return fence_data_directory(self.role_change, self.helper)


def _step(role_change: RoleChange, phase: str, what: str, act: Callable[[], str]) -> Step:
    def run() -> str:
        with role_change.phase(f"fence: {phase}"):
            return act()

    return Step(role_change.old.name, what, run)


def _before(role_change: RoleChange) -> str:
    old = role_change.old
    pods = "".join(f"  {pod.name}: {old.not_ready_reason(pod) or 'Ready'}\n" for pod in old.pods())
    return f"{old.name}\nreplicas: {old.reload().replicas}\n{pods}"


def _follows(role_change: RoleChange) -> bool:
    """Whether the old primary runs as a standby, which needs no fence."""
    server, _ = role_change.old.server() if role_change.old.pods() else (None, "")
    return server is not None and server.present and server.facts.in_recovery


def _read_signal(role_change: RoleChange) -> bool:
    """Read the volume, and return whether standby.signal is there already."""
    target, progress = role_change.old.target, role_change.progress
    if role_change.cluster.dry_run:
        return True
    if target is None or progress.unreadable:
        return False
    try:
        with open_on(role_change, target) as helper:
            progress.shutdown_state = read_now(role_change, target, helper)
    except LeaseLost:
        raise
    except PgnbError as error:
        progress.unreadable = reason_of(error)
        return False
    progress.fenced_on_disk = progress.shutdown_state.signal
    return progress.fenced_on_disk


def _scale_words(role_change: RoleChange) -> str:
    return f"scale from {role_change.old.reload().replicas} to 0 and see that its server has ended"


def _fence_words(role_change: RoleChange) -> str:
    if role_change.old.target is None:
        return f"no fence on the volume: {role_change.old.fence_limitation}"
    claim = role_change.old.target.claim
    return f"read how its server ended, and put standby.signal on the claim {claim}, by a helper pod"


def _after(role_change: RoleChange, unreachable: Sequence[Pod]) -> str:
    gone = "".join(f"  {pod.name}: confirmed to be gone\n" for pod in unreachable)
    return f"{role_change.old.name}\nreplicas: 0\n{gone}standby.signal: {'no' if unreachable else 'yes'}\n"


def _gone(pod: Pod) -> Confirmation:
    why = (
        f"It is unknown whether {pod.name} on the node {pod.node or '?'} still runs. If it does, it"
        " accepts writes"
        " that will be lost. Make sure that the machine is off."
    )
    return Confirmation("confirm_gone", pod.name, why)


def _tools(role_change: RoleChange) -> str:
    tools = ", ".join(reconcilers(role_change))
    if not tools:
        return "If it is scaled back by mistake, it starts read-only."
    return f"{tools} may scale {role_change.old.name} back: set its replicas to 0 there, too."


def scale_away(
    role_change: RoleChange,
    confirmed_pod: str = "",
    by: str = "",
    timeout: float | None = None,
    helper: Helper | None = None,
) -> str:
    """Scale to 0 and wait until its server has ended in every pod, except a pod that is confirmed to be gone.

    A pod whose other containers still end is waited for later. Raises DeadlineExceeded, which names the
    remaining pods and how to go on.
    """
    old = role_change.old
    limit = _time_to_end(role_change) if timeout is None else timeout
    mark_phase(role_change, "fence", replicas=0, stopped=False)
    try:
        wait_until(
            f"no server of {old.name}",
            _reader(role_change, helper),
            lambda pods: {pod.name for pod in pods} <= {confirmed_pod},
            timeout=limit,
            every=0.1,
            describe=lambda pods: (
                "; ".join(f"{p.name}: {old.not_ready_reason(p) or 'Ready'}" for p in pods) or "none"
            ),
        )
    except DeadlineExceeded as late:
        left = running_pods(role_change, helper)
        raise DeadlineExceeded(
            f"{old.name}: not every pod is known to be gone",
            found=late.found,
            remedy="Nothing was promoted. If its node is lost, have the machine switched off, then set"
            f" confirm_gone = {', '.join(pod.name for pod in left)!r} and confirmed_by to your name.",
        ) from late
    return _after_confirmation(role_change, confirmed_pod, by)


def _reader(role_change: RoleChange, helper: Helper | None) -> Callable[[], list[Pod]]:
    """Return a function that reads the pods each time, and the volume, which takes longer, once a second."""
    last = [monotonic()]

    def read() -> list[Pod]:
        if monotonic() - last[0] < _LOOK_AT_VOLUME:
            return running_pods(role_change)
        last[0] = monotonic()
        return running_pods(role_change, helper)

    return read


def wait_gone(role_change: RoleChange) -> str:
    """Wait until the old primary's pods are gone, and return what was found; raises nothing.

    Neither a slow container nor an unreachable API server affects what was done before.
    """
    try:
        wait_until(
            f"no pod of {role_change.old.name}",
            role_change.old.pods,
            lambda pods: not pods,
            timeout=_time_to_end(role_change),
            every=0.2,
            describe=lambda pods: ", ".join(pod.name for pod in pods) or "none",
        )
        replicas = role_change.old.reload().replicas
    except DeadlineExceeded as late:
        return f"still ending: {late.found}"
    except ApiUnreachable as away:
        return f"not seen: {away.message}"
    return "gone" if not replicas else f"SCALED BACK to {replicas} by somebody else"


def _time_to_end(role_change: RoleChange) -> float:
    """Return the longest grace period of its pods, and a minute."""
    graces = [float(pod.spec.get("terminationGracePeriodSeconds", _GRACE)) for pod in role_change.old.pods()]
    return max(graces, default=_GRACE) + _AFTER_GRACE


def _after_confirmation(role_change: RoleChange, name: str, by: str) -> str:
    left, ended = role_change.old.pods(), role_change.progress.ended
    if not any(pod.name == name for pod in left):
        still = "; ".join(f"{pod.name} is still ending: {ended.get(pod.uid, '')}" for pod in left)
        return still or "no pod is left"
    with role_change.cluster.journal.act(role_change.old.name, f"{by} confirms that the pod {name} is gone"):
        role_change.progress.confirmed[name] = by
    return f"{name} is gone, as {by} confirms"


def fenced(role_change: RoleChange) -> Checks:
    """Check now that no server on the old primary's volume can accept writes, or is about to start."""
    old, progress = role_change.old, role_change.progress
    workload = old.reload()
    left = [pod.name for pod in running_pods(role_change) if pod.name not in progress.confirmed]
    others = _others_on_volume(role_change)
    items = [
        Check(
            "scaled to 0",
            workload.replicas == 0,
            f"{workload.replicas} replicas",
            0,
            "Fence it first: otherwise its pod starts again, and there are two primaries.",
        ),
        Check(
            "no server of it is left",
            not left,
            ", ".join(left) or "none",
            "none",
            "It may still accept writes: wait, or confirm its end by confirm_gone.",
        ),
        Check(
            "no other pod on its volume",
            not others,
            ", ".join(others) or "none",
            "none",
            "Another pod has mounted its claim. A server in it could accept writes.",
        ),
        Check(
            "read-only if it is scaled back",
            progress.fenced_on_disk,
            "yes" if progress.fenced_on_disk else "the fence is weak",
            "standby.signal on its volume",
            "Make sure that nobody scales it back.",
            advice=True,
        ),
    ]
    return Checks.of(f"{old.name} can't accept writes", items, role_change.cluster.journal)


def _others_on_volume(role_change: RoleChange) -> list[str]:
    target = role_change.old.target
    if target is None:
        return []
    own = {pod.uid for pod in role_change.old.pods()}
    return [
        pod["metadata"]["name"]
        for pod in role_change.cluster.list("pods")
        if pod["metadata"]["uid"] not in own
        and (pod.get("status") or {}).get("phase") in ("Pending", "Running")
        and (pod["metadata"].get("labels") or {}).get("app.kubernetes.io/component") != "helper"
        and any(
            (v.get("persistentVolumeClaim") or {}).get("claimName") == target.claim
            for v in pod["spec"].get("volumes") or []
        )
    ]
