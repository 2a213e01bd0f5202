"""Read and fence the old primary's volume by a helper pod that does not depend on what may be broken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from pgnb.cluster import Helper, HelperPod
from pgnb.core.errors import DeadlineExceeded, LeaseLost, PgnbError
from pgnb.core.wait import wait_until
from pgnb.physical.failover.participants import RoleChange
from pgnb.physical.failover.shutdown_state import ShutdownState, read_shutdown_state, set_standby_signal
from pgnb.physical.target import Target
from pgnb.postgres.progress import replay_progress

_SETTLE = 5.0
_SHARED_CLAIM = "ReadWriteOncePod"
_PLACED_BY = ("hostname", "topology.")


def open_early(role_change: RoleChange, stack: ExitStack) -> Helper | None:
    """Start a helper pod on the old primary's volume while its server runs; None if that is impossible."""
    target = role_change.old.target
    if target is None or role_change.progress.unreadable or role_change.old.unreachable_pods():
        return None
    pods = [pod for pod in role_change.old.pods() if pod.started_at]
    if pods and _SHARED_CLAIM in role_change.cluster.volume(pods[0], target.data_directory).access_modes:
        return None
    try:
        return stack.enter_context(open_on(role_change, target))
    except LeaseLost:
        raise
    except PgnbError:
        return None  # It is tried again after the server has ended; then a failure is reported.


def reason_of(error: PgnbError) -> str:
    """Return an error in one line, as the reason why a volume could not be used."""
    return " ".join(f"{error.message} {error.found}".split())[:300]


def fence_data_directory(role_change: RoleChange, helper: Helper | None = None) -> str:
    """Read the volume and fence it; if that is impossible, return why the fence is weak."""
    target, progress = role_change.old.target, role_change.progress
    if target is None:
        return f"weak: only scaled to 0, since {role_change.old.fence_limitation}"
    if progress.confirmed:
        return "weak: the volume may still be mounted on the lost node, so it was not touched"
    if progress.unreadable:
        return f"weak: only scaled to 0, since {progress.unreadable}"
    try:
        if helper is not None:
            return fence_volume(role_change, target, helper)
        with open_on(role_change, target) as own:
            return fence_volume(role_change, target, own)
    except LeaseLost:
        raise
    except PgnbError as error:
        progress.unreadable = reason_of(error)
        return f"weak: only scaled to 0, since its volume could not be used: {progress.unreadable}"


def fence_volume(role_change: RoleChange, target: Target, helper: Helper) -> str:
    """Read by a helper pod how the server ended, then put standby.signal on the volume."""
    state = read_now(role_change, target, helper)
    role_change.progress.shutdown_state = state
    set_standby_signal(helper.exec, target.directory, there=True)
    role_change.progress.fenced_on_disk = True
    return f"{state.state}, last checkpoint {state.checkpoint}; standby.signal is there"


@contextmanager
def open_on(
    role_change: RoleChange, target: Target, *, start_timeout: float | None = None, lifetime: float = 900
) -> Iterator[Helper]:
    """Run a helper pod on the old primary's volume during the block.

    It must start within `start_timeout`, by default `fencing_timeout`. If it does not start with all of the
    server's claims, since one may be broken, it is started with the data's claim alone. That is enough for
    the fence, but WAL on another claim can't be read then.
    """
    timeout = start_timeout or role_change.terms.fencing_timeout
    spec = replace(helper_of(role_change, target), start_timeout=timeout)
    alone = replace(spec, claims={target.mount.path: target.claim})
    with ExitStack() as stack:
        if len(spec.claims) > 1 and not role_change.progress.data_only:
            try:
                helper = stack.enter_context(role_change.cluster.helper(spec, lifetime=lifetime))
            except LeaseLost:
                raise
            except PgnbError:
                helper = stack.enter_context(role_change.cluster.helper(alone, lifetime=lifetime))
                role_change.progress.data_only = True
        else:
            helper = stack.enter_context(role_change.cluster.helper(alone, lifetime=lifetime))
        yield helper


def helper_of(role_change: RoleChange, target: Target) -> HelperPod:
    """Return a helper pod on the old primary's volume, with the user that owns the candidate's data.

    Image, pull secrets, node selector and service account are the candidate's, since the old primary's may be
    broken. The scheduler places it where the volume can be mounted.
    """
    owner, like = role_change.candidate.owner, role_change.candidate.pod
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


def read_volume(role_change: RoleChange) -> ShutdownState | None:
    """Return how the server ended, read from the volume if needed; None if it can't be read."""
    old, progress = role_change.old, role_change.progress
    if role_change.cluster.dry_run or old.target is None or progress.confirmed or progress.unreadable:
        return None
    if [pod for pod in old.pods() if pod.uid not in progress.ended]:
        return None
    if progress.shutdown_state is None or not progress.shutdown_state.start:
        with open_on(role_change, old.target) as helper:
            progress.shutdown_state = read_now(role_change, old.target, helper)
    return progress.shutdown_state


def read_now(role_change: RoleChange, target: Target, helper: Helper) -> ShutdownState:
    """Read how the server ended; if the candidate is a standby, also the WAL that it has not replayed."""
    facts = role_change.candidate.refresh()
    start = replayed_lsn(role_change) if facts.in_recovery else ""
    return read_shutdown_state(
        helper.exec, target.directory, facts.bin_dir, start=start, timeline=facts.timeline
    )


def replayed_lsn(role_change: RoleChange) -> str:
    """Wait until the candidate has replayed what it received, and return its LSN."""
    seen: list[str | None] = [None]

    def probe() -> tuple[str | None, bool]:
        state = replay_progress(role_change.candidate)
        still = state.replayed == seen[0] or state.replayed == state.received
        seen[0] = state.replayed
        return state.replayed, still

    try:
        found, _ = wait_until(
            f"{role_change.candidate.name} to replay what it has",
            probe,
            lambda state: state[1],
            timeout=_SETTLE,
            every=0.2,
            describe=lambda state: str(state[0]),
        )
    except DeadlineExceeded:
        found = seen[0]  # It still replays: the estimate from here is only larger.
    return found or ""
