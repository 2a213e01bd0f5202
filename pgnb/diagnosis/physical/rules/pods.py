"""Findings about pods and their disks: missing, not Ready, without a session, or nearly full."""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.core.display import format_bytes
from pgnb.core.findings import Finding
from pgnb.diagnosis.physical.log_messages import classify_message, lines_about, with_timestamp
from pgnb.diagnosis.physical.observation import Evidence, ServerObservation

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
_IN_LOG = "The last lines of its log say so."


def pod_findings(evidence: Evidence) -> Iterator[Finding]:
    """Report pods that are missing, not Ready or not answering, and disks that are nearly full."""
    for part, selector in evidence.missing:
        yield Finding(
            "no-pod",
            f"{part} ({selector})",
            "No pod matches the selector: the workload is scaled to 0, or has other labels or another"
            " namespace.",
            (f"selector {selector}: no pod",),
            "kubectl get deployments,statefulsets,pods --show-labels; then scale it up, or give another"
            " selector. 03 creates a standby.",
        )
    if len(found := [one for one in evidence.primaries if one.reachable]) > 1:
        yield Finding(
            "several-pods",
            found[0].name,
            "The selector of the primary matches more than one server.",
            tuple(f"{one.name}: {one.facts.role}" for one in found),
            "Set primary_selector to a label that only the primary's pod has.",
        )
    for one in evidence.observed:
        yield from _about(one, evidence.expected.min_free)


def _about(one: ServerObservation, min_free: float) -> Iterator[Finding]:
    if not one.pod.ready:
        yield _not_ready(one)
        yield from _cause_in_log(one)
    elif not one.reachable:
        yield Finding(
            "no-session",
            one.name,
            "The pod is Ready, but pgnb's login gets no session.",
            (one.connect_error,),
            "Check user and primary_password_from; the evidence has the server's message.",
        )
    if one.disk is not None and one.disk.size:
        percent = 100 * one.disk.free / one.disk.size
        if percent < min_free:
            yield _nearly_full(one, percent, min_free)


def _not_ready(one: ServerObservation) -> Finding:
    last = tuple(with_timestamp(line) for line in one.log[-_LAST_LINES:])
    return Finding(
        "pod-not-ready",
        one.name,
        one.pod.not_ready_reason,
        (*one.events[-2:], *last),
        f"kubectl describe pod {one.pod.name}; kubectl logs {one.pod.name} --previous",
    )


def _cause_in_log(one: ServerObservation) -> Iterator[Finding]:
    """Report why an unreachable server does not start or connect, by the last known message of its log."""
    known = [kind for line in reversed(one.log) if (kind := classify_message(line.text)) in _CAUSES_IN_LOGS]
    if known:
        yield Finding(known[0], one.name, _IN_LOG, lines_about(one.log, known[0]), _REMEDIES[known[0]])


_REMEDIES = {
    "broken-configuration": "Correct the line that the log names (or its ConfigMap, 02 section 2.1). The"
    " file is in the data directory, which a helper pod can mount while the"
    " workload is scaled to 0.",
    "broken-hba": "Correct the line that the log names in pg_hba.conf (02, section 2.2).",
    "setting-too-low": "Raise the setting in the standby's configuration and restart it (06, section 6.2).",
    "disk-full": "Enlarge the claim, or find what fills it: slots that retain WAL (07), a failing"
    " archive_command.",
    "wal-removed": "Take a new base backup (03), or set restore_command if an archive has that WAL.",
    "other-system": "Its data belong to another cluster: take a base backup of this primary (03).",
    "other-timeline": "Its timeline diverged from this primary's: rejoin it (09).",
    "wrong-password": "Set the role's password to the Secret's (02, the role), then restart the standby.",
    "hba-rejects": "Add a rule for this role and address before the one that rejects (02, section 2.2).",
    "no-replication": "Run 02 (replication role), or ALTER ROLE … LOGIN REPLICATION.",
    "unreachable": "Check the Service's name and its endpoints: kubectl get services,endpoints.",
    "slot-missing": "Create the slot (02, section 2.3).",
}


def _nearly_full(one: ServerObservation, percent: float, min_free: float) -> Finding:
    kept = [s for s in one.slots if s.retained_bytes and not s.active]
    holding = tuple(f"slot {s.name}: inactive, retains {format_bytes(s.retained_bytes)}" for s in kept)
    assert one.disk is not None
    free = f"{format_bytes(one.disk.free)} of {format_bytes(one.disk.size)} free"
    cause = "Inactive slots retain WAL." if kept else "No slot is the cause: see data, logs and archive."
    return Finding(
        "disk-nearly-full",
        one.name,
        cause,
        (f"df {one.disk.path}: {free} ({percent:.1f} %, wanted {min_free:g} %)", *holding),
        "Enlarge the claim; limit what slots retain (max_slot_wal_keep_size); drop slots that are not"
        " needed (07).",
    )
