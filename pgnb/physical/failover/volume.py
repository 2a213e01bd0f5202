"""The old primary's volume, read and fenced by a helper pod that owes nothing to what may be broken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from pgnb.cluster import Helper, HelperPod
from pgnb.core.errors import DeadlineExceeded, LeaseLost, PgnbError
from pgnb.core.wait import wait_until
from pgnb.physical.failover.remains import Remains, leave_signal, read_remains
from pgnb.physical.failover.succession import Succession
from pgnb.physical.target import Target
from pgnb.postgres.progress import replay_progress

_SETTLE = 5.0
_SHARED_CLAIM = "ReadWriteOncePod"
_PLACED_BY = ("hostname", "topology.")


def beside(pair: Succession, stack: ExitStack) -> Helper | None:
    """A helper pod on the old primary's volume while its server still runs; None where that can't be."""
    target = pair.old.target
    if target is None or pair.unreadable or pair.old.unseen():
        return None
    pods = [pod for pod in pair.old.pods() if pod.started_at]
    if pods and _SHARED_CLAIM in pair.cluster.volume(pods[0], target.data_directory).access_modes:
        return None
    try:
        return stack.enter_context(open_on(pair, target))
    except LeaseLost:
        raise
    except PgnbError:
        return None  # It is tried once more when the server has ended; then a failure is told.


def reason_of(error: PgnbError) -> str:
    """An error in one line, as the reason why a volume could not be worked on."""
    return " ".join(f"{error.message} {error.found}".split())[:300]


def mark(pair: Succession, helper: Helper | None = None) -> str:
    """Read the volume and fence it; where it can't be worked on, say how weak the fence is."""
    target = pair.old.target
    if target is None:
        return f"weak: only scaled to 0, since {pair.old.weak}"
    if pair.confirmed:
        return "weak: the volume may still be mounted on the lost node, so it was left alone"
    if pair.unreadable:
        return f"weak: only scaled to 0, since {pair.unreadable}"
    try:
        if helper is not None:
            return fence_volume(pair, target, helper)
        with open_on(pair, target) as own:
            return fence_volume(pair, target, own)
    except LeaseLost:
        raise
    except PgnbError as error:
        pair.unreadable = reason_of(error)
        return f"weak: only scaled to 0, since its volume could not be worked on: {pair.unreadable}"


def fence_volume(pair: Succession, target: Target, helper: Helper) -> str:
    """By a helper on the volume: how the server ended is kept, then standby.signal is put there."""
    pair.remains = read_now(pair, target, helper)
    leave_signal(helper.exec, target.directory, there=True)
    pair.marked = True
    return f"{pair.remains.state}, last checkpoint {pair.remains.checkpoint}; standby.signal is there"


@contextmanager
def open_on(
    pair: Succession, target: Target, *, start_timeout: float | None = None, lifetime: float = 900
) -> Iterator[Helper]:
    """A helper pod on the old primary's volume, for a block; it starts within `fencing_timeout`, or as told.

    Where it does not start with the server's other claims (one may be what is broken), the data's alone do
    for the fence; WAL that lies elsewhere can't be read then.
    """
    spec = replace(helper_of(pair, target), start_timeout=start_timeout or pair.fencing_timeout)
    alone = replace(spec, claims={target.mount.path: target.claim})
    with ExitStack() as stack:
        if len(spec.claims) > 1 and not pair.data_only:
            try:
                helper = stack.enter_context(pair.cluster.helper(spec, lifetime=lifetime))
            except LeaseLost:
                raise
            except PgnbError:
                helper = stack.enter_context(pair.cluster.helper(alone, lifetime=lifetime))
                pair.data_only = True
        else:
            helper = stack.enter_context(pair.cluster.helper(alone, lifetime=lifetime))
        yield helper


def helper_of(pair: Succession, target: Target) -> HelperPod:
    """A helper on the old primary's volume, as the user that owns the data: the candidate's, its copy.

    Image, pull secrets, node selector and service account are the candidate's: the old primary's own may be
    what is broken. Where the volume is, the scheduler knows by itself.
    """
    owner, like = pair.candidate.owner, pair.candidate.pod
    spec = target.helper("pgnb-fence", (), uid=owner.uid, gid=owner.gid)
    tolerations = [*(spec.placement.get("tolerations") or []), *(like.spec.get("tolerations") or [])]
    nodes = {
        key: value
        for key, value in (like.spec.get("nodeSelector") or {}).items()
        if not any(word in key for word in _PLACED_BY)
    }
    placement = {
        "tolerations": tolerations,
        "nodeSelector": nodes,
        "imagePullSecrets": like.spec.get("imagePullSecrets") or [],
        "runtimeClassName": like.spec.get("runtimeClassName") or "",
    }
    return replace(
        spec,
        image=like.image,
        service_account=like.spec.get("serviceAccountName", ""),
        placement={key: value for key, value in placement.items() if value},
    )


def read_volume(pair: Succession) -> Remains | None:
    """What the fenced volume says, read again by a helper where it can be; None where it can't."""
    old = pair.old
    if pair.cluster.dry_run or old.target is None or pair.confirmed or pair.unreadable:
        return None
    if [pod for pod in old.pods() if pod.uid not in pair.ended]:
        return None
    if pair.remains is None or not pair.remains.start:
        with open_on(pair, old.target) as helper:
            pair.remains = read_now(pair, old.target, helper)
    return pair.remains


def read_now(pair: Succession, target: Target, helper: Helper) -> Remains:
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
            f"{pair.candidate.name} to replay what it has",
            probe,
            lambda state: state[1],
            timeout=_SETTLE,
            every=0.2,
            describe=lambda state: str(state[0]),
        )
    except DeadlineExceeded:
        found = seen[0]  # It replays still: counted from here, the estimate is only larger.
    return found or ""
