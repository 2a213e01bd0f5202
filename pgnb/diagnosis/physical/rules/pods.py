"""Findings about pods and their disks: what is not there, not Ready, cannot be asked, or is running full."""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.core.display import format_bytes
from pgnb.core.findings import Finding
from pgnb.diagnosis.physical.log_messages import kind_of, lines_about, stamped
from pgnb.diagnosis.physical.seen import Evidence, ServerSeen

_LAST_LINES = 4
_CAUSES_IN_LOGS = (
    "broken-configuration",
    "broken-hba",
    "setting-too-low",
    "disk-full",
    "wal-removed",
    "other-system",
    "other-timeline",
    "wrong-password",
    "hba-rejects",
    "no-replication",
    "unreachable",
    "slot-missing",
)
_TOLD = "Its server says so itself, in the last words of its log."


def pod_findings(evidence: Evidence) -> Iterator[Finding]:
    """Whether everything that was looked for is there, Ready and answering, with room on its disk."""
    for part, selector in evidence.missing:
        yield Finding(
            "no-pod",
            f"{part} ({selector})",
            "No pod matches the selector: the workload is scaled to 0, or"
            " its labels or the namespace are others.",
            (f"selector {selector}: no pod",),
            "kubectl get deployments,statefulsets,pods --show-labels; then scale it, or name another"
            " selector. A standby that was never made: 03.",
        )
    if len(found := [one for one in evidence.primaries if one.asked]) > 1:
        yield Finding(
            "several-pods",
            found[0].name,
            "The selector of the primary matches more than one server.",
            tuple(f"{one.name}: {one.facts.role}" for one in found),
            "Give primary_selector a label that only the primary's pod has.",
        )
    for one in evidence.seen:
        yield from _about(one, evidence.wish.min_free)


def _about(one: ServerSeen, min_free: float) -> Iterator[Finding]:
    if not one.pod.ready:
        yield _not_ready(one)
        yield from _told_by_its_log(one)
    elif not one.asked:
        yield Finding(
            "no-session",
            one.name,
            "The pod is Ready, but our own login gets no session.",
            (one.refused,),
            "See user and primary_password_from; the server's own words stand above.",
        )
    if one.disk is not None and one.disk.size:
        percent = 100 * one.disk.free / one.disk.size
        if percent < min_free:
            yield _nearly_full(one, percent, min_free)


def _not_ready(one: ServerSeen) -> Finding:
    last = tuple(stamped(line) for line in one.log[-_LAST_LINES:])
    return Finding(
        "pod-not-ready",
        one.name,
        one.pod.not_ready_reason,
        (*one.events[-2:], *last),
        f"kubectl describe pod {one.pod.name}; kubectl logs {one.pod.name} --previous",
    )


def _told_by_its_log(one: ServerSeen) -> Iterator[Finding]:
    """Why a server that cannot be asked does not start or connect, by its own words; the last counts."""
    known = [kind for line in reversed(one.log) if (kind := kind_of(line.text)) in _CAUSES_IN_LOGS]
    if known:
        yield Finding(known[0], one.name, _TOLD, lines_about(one.log, known[0]), _MENDS[known[0]])


_MENDS = {
    "broken-configuration": "Correct the line that the log names (or its ConfigMap, 02 section 2.1); the file"
    " lies in the data directory, which a helper pod can mount while the workload is scaled to 0.",
    "broken-hba": "Correct the line that the log names in pg_hba.conf (02, section 2.2).",
    "setting-too-low": "Raise the setting in the standby's configuration and restart it (06, section 6.2).",
    "disk-full": "Enlarge the claim, or find what fills it: slots that keep WAL (07), a failing archive.",
    "wal-removed": "A new base backup (03), or restore_command where an archive has that WAL.",
    "other-system": "Its data are another cluster's: a base backup of this primary (03).",
    "other-timeline": "It left this primary's history: rejoin it (09).",
    "wrong-password": "Put the Secret and the role in step (02, the role), then restart the standby.",
    "hba-rejects": "A rule for this role and address, in front of what rejects it (02, section 2.2).",
    "no-replication": "02, the role that replicates: ALTER ROLE … LOGIN REPLICATION.",
    "unreachable": "See the Service's name and its endpoints: kubectl get services,endpoints.",
    "slot-missing": "Make the slot (02, section 2.3).",
}


def _nearly_full(one: ServerSeen, percent: float, min_free: float) -> Finding:
    kept = [s for s in one.slots if s.retained_bytes and not s.active]
    holding = tuple(f"slot {s.name}: inactive, keeps {format_bytes(s.retained_bytes)}" for s in kept)
    assert one.disk is not None
    free = f"{format_bytes(one.disk.free)} of {format_bytes(one.disk.size)} free"
    cause = (
        "Slots that nobody reads from keep WAL." if kept else "No slot explains it: data, logs or archive."
    )
    return Finding(
        "disk-nearly-full",
        one.name,
        cause,
        (f"df {one.disk.path}: {free} ({percent:.1f} %, wanted {min_free:g} %)", *holding),
        "Enlarge the claim; cap what slots keep (max_slot_wal_keep_size), drop the slots that nobody needs"
        " (07, section 7).",
    )
