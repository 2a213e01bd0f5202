"""The fence: the old primary is scaled to 0, seen gone, and comes up read-only if it is scaled back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pgnb.checks import Check, Checks
from pgnb.cluster import Helper, HelperPod, Pod
from pgnb.errors import DeadlineExceeded, ParameterError
from pgnb.operate.failover.remains import Remains, leave_signal, read_remains
from pgnb.operate.failover.succession import Succession
from pgnb.plan import Change, Confirmation, Step
from pgnb.replication.target import Target
from pgnb.server.progress import replay_progress
from pgnb.wait import wait_until

_GRACE, _AFTER_GRACE = 30.0, 60.0
"""Seconds: Kubernetes' own grace period, and what a pod may take to be gone once its own is over."""
_SETTLE = 5.0


def plan_fence(
    pair: Succession, *, confirm_gone: str = "", confirmed_by: str = "", timeout: float | None = None
) -> Change:
    """Scale the old primary to 0, see its pod gone, read its volume, and put standby.signal there.

    A pod that can't be seen to be gone (its node does not report, or its deletion is overdue) asks for
    `confirm_gone` to be its name, and for who says so; its volume is then left alone, and the fence is weak.
    Empty where another path was chosen, and where the old primary is a standby already. `timeout`
    in seconds, for the pod to be gone; without one, its grace period and a minute. Raises ParameterError for
    a confirmation without a name.
    """
    title, old, journal = f"Fence {pair.old.name}", pair.old, pair.cluster.journal
    if pair.path != "failover":
        return Change(title, journal, note=f"The path is {pair.path}.")
    if confirm_gone and not confirmed_by:
        raise ParameterError(
            "a pod is confirmed to be gone by nobody", found=f"confirm_gone = {confirm_gone!r}",
            remedy="Set confirmed_by to the name of who has seen to it: the record keeps it.",
        )  # fmt: skip
    if _follows(pair):
        return Change(title, journal, note=f"{old.name} is a standby already.")
    unseen = old.unseen()
    vouched = confirm_gone if confirm_gone in {pod.name for pod in unseen} else ""
    if not old.again().replicas and not old.pods() and _look(pair):
        return Change(title, journal, note=f"It is scaled to 0, and would come up read-only: {old.volume}.")
    change = Change(
        title, journal, _before(pair), _after(pair, unseen),
        [
            _step(pair, "scale to 0, see every pod gone", _scale_words(pair),
                  lambda: scale_away(pair, vouched, confirmed_by, timeout)),
            _step(pair, "read its volume, standby.signal", _mark_words(pair), lambda: mark(pair)),
        ],
        note=_tools(pair), undo_text=f"remove standby.signal and scale {old.name} to 1, unless promoted",
        confirmations=[_gone(pod) for pod in unseen],
    )  # fmt: skip
    change.grant(confirm_gone=confirm_gone)
    return change


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
    if target is None or pair.cluster.dry_run:
        return pair.cluster.dry_run
    with pair.cluster.helper(helper_of(pair, target), lifetime=600) as helper:
        pair.remains = _read(pair, target, helper)
    pair.marked = pair.remains.signal
    return pair.marked


def _scale_words(pair: Succession) -> str:
    return f"scale from {pair.old.again().replicas} to 0 and see every pod gone"


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
    tools = ", ".join(pair.old.workload.managed_by)
    if not tools:
        return "Scaled back by mistake, it comes up read-only."
    return f"{tools} manages {pair.old.name} and may scale it back: set its replicas to 0 there, too."


def scale_away(pair: Succession, vouched: str = "", by: str = "", timeout: float | None = None) -> str:
    """Scale to 0 and wait until every pod is gone, but for one that somebody vouches for.

    Raises DeadlineExceeded with the pods that are left and how to go on.
    """
    old, cluster = pair.old, pair.cluster
    cluster.patch(old.workload.plural, old.workload.name, {"spec": {"replicas": 0}}, "scale to 0")
    try:
        wait_until(
            f"no pod of {old.name}", old.pods, lambda pods: {pod.name for pod in pods} <= {vouched},
            timeout=_patience(pair) if timeout is None else timeout, every=0.1,
            describe=lambda pods: "; ".join(f"{p.name}: {old.trouble(p) or 'Ready'}" for p in pods) or "none",
        )  # fmt: skip
    except DeadlineExceeded as late:
        left = old.pods()
        raise DeadlineExceeded(
            f"{old.name}: not every pod is seen to be gone", found=late.found,
            remedy="Nothing is promoted. Where its node is lost, have the machine switched off, then set"
            f" confirm_gone = {', '.join(pod.name for pod in left)!r} and confirmed_by to your name.",
        ) from late  # fmt: skip
    return _vouched(pair, vouched, by)


def _patience(pair: Succession) -> float:
    """The longest grace period of its pods, and some more."""
    graces = [float(pod.spec.get("terminationGracePeriodSeconds", _GRACE)) for pod in pair.old.pods()]
    return max(graces, default=_GRACE) + _AFTER_GRACE


def _vouched(pair: Succession, name: str, by: str) -> str:
    if not any(pod.name == name for pod in pair.old.pods()):
        return "no pod is left"
    with pair.cluster.journal.act(pair.old.name, f"{by} confirms that the pod {name} is gone"):
        pair.confirmed[name] = by
    return f"{name} is gone, as {by} confirms"


def mark(pair: Succession) -> str:
    """Read the volume and fence it; where it can't be reached, say how weak the fence is."""
    target = pair.old.target
    if target is None:
        return f"weak: only scaled to 0, since {pair.old.weak}"
    if pair.confirmed:
        return "weak: the volume may still be mounted on the lost node, so it was left alone"
    with pair.cluster.helper(helper_of(pair, target), lifetime=900) as helper:
        return fence_volume(pair, target, helper)


def fence_volume(pair: Succession, target: Target, helper: Helper) -> str:
    """By a helper on the volume: how the server ended is kept, then standby.signal is put there."""
    pair.remains = _read(pair, target, helper)
    leave_signal(helper.exec, target.directory, there=True)
    pair.marked = True
    return f"{pair.remains.state}, last checkpoint {pair.remains.checkpoint}; standby.signal is there"


def helper_of(pair: Succession, target: Target) -> HelperPod:
    """A helper on the old primary's volume, as the user that owns the data: the candidate's, its copy."""
    owner = pair.candidate.owner
    return target.helper("pgnb-fence", (), uid=owner.uid, gid=owner.gid)


def read_volume(pair: Succession) -> Remains | None:
    """What the fenced volume says, read again by a helper where it can be; None where it can't."""
    old = pair.old
    if pair.cluster.dry_run or old.target is None or pair.confirmed or old.pods():
        return None
    if pair.remains is None or not pair.remains.start:
        with pair.cluster.helper(helper_of(pair, old.target), lifetime=900) as helper:
            pair.remains = _read(pair, old.target, helper)
    return pair.remains


def _read(pair: Succession, target: Target, helper: Helper) -> Remains:
    """How it ended, and, for a candidate that is a standby still, the WAL that it did not replay."""
    facts = pair.candidate.refresh()
    start = settled(pair) if facts.in_recovery else ""
    return read_remains(helper.exec, target.directory, facts.bin_dir, start=start, timeline=facts.timeline)


def settled(pair: Succession) -> str:
    """Where the candidate stands once it has replayed what it received and can."""
    seen: list[str | None] = [None]

    def probe() -> tuple[str | None, bool]:
        state = replay_progress(pair.candidate)
        still = state.replayed == seen[0] or state.replayed == state.received
        seen[0] = state.replayed
        return state.replayed, still

    try:
        found, _ = wait_until(
            f"{pair.candidate.name} to replay what it has", probe, lambda state: state[1],
            timeout=_SETTLE, every=0.2, describe=lambda state: str(state[0]),
        )  # fmt: skip
    except DeadlineExceeded:
        found = seen[0]  # It replays still: counted from here, the estimate is only larger.
    return found or ""


def fenced(pair: Succession) -> Checks:
    """Read now: nothing that could accept writes runs on the old primary's place, or is about to."""
    old = pair.old
    workload = old.again()
    left = [pod.name for pod in old.pods() if pod.name not in pair.confirmed]
    strangers = _strangers(pair)
    items = [
        Check("scaled to 0", workload.replicas == 0, f"{workload.replicas} replicas", 0,
              "Fence it first: its pod would come back, and there would be two primaries."),
        Check("no pod is left", not left, ", ".join(left) or "none", "none",
              "It may still accept writes: wait, or vouch for it by confirm_gone."),
        Check("nobody else on its volume", not strangers, ", ".join(strangers) or "nobody", "nobody",
              "Another pod has mounted its claim; a server in it could accept writes."),
        Check("read-only if it is scaled back", pair.marked, "yes" if pair.marked else "the fence is weak",
              "standby.signal on its volume", "Keep everybody from scaling it back.", advice=True),
    ]  # fmt: skip
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
        and any((v.get("persistentVolumeClaim") or {}).get("claimName") == target.claim
                for v in pod["spec"].get("volumes") or [])
    ]  # fmt: skip
