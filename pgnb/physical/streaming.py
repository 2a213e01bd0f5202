"""Find out whether a standby streams from its primary."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from pgnb.cluster import Pod, Workload
from pgnb.core.wait import wait_until
from pgnb.physical.data_directory import DataDirectory
from pgnb.physical.slots import slots
from pgnb.physical.status import senders
from pgnb.physical.target import inspect, target_of
from pgnb.postgres import Server
from pgnb.postgres.slots import Slot

STREAM = 60.0
"""Seconds within which a standby that accepts connections should stream."""


def streaming(primary: Server, slot: str, application_name: str) -> str:
    """Describe the standby's stream; empty until it streams."""
    found = slots(primary).find(slot)
    for sender in senders(primary):
        ours = sender.application_name == application_name and sender.streaming
        if ours and found is not None and found.active_pid == sender.pid:
            return f"streams from {slot} at {sender.sent_lsn}"
    return ""


def wait_streaming(primary: Server, slot: str, application_name: str, timeout: float = STREAM) -> str:
    """Wait until it streams, and describe its stream. Raises DeadlineExceeded."""
    return wait_until(
        f"{application_name} to stream from {slot}",
        lambda: streaming(primary, slot, application_name),
        bool,
        timeout=timeout,
        every=0.2,
        describe=lambda words: words or "not yet",
        remedy="Read the standby's log: it names pg_hba.conf, password, slot or timeline.",
    )


def streams_already(
    primary: Server, pod: Pod, state: DataDirectory, slot: Slot | None, application_name: str
) -> bool:
    """Whether this pod's server follows this primary already, with this slot and application_name."""
    if state.system_identifier != primary.facts.system_identifier or not state.follows:
        return False
    named = [s for s in senders(primary) if s.application_name == application_name and s.streaming]
    # A Service may hide the pod's address. Then the receiver in the pod counts.
    ours = [s for s in named if s.address == pod.ip or state.receiving]
    return slot is not None and any(s.pid == slot.active_pid for s in ours)


def workload_streams(primary: Server, live: Workload) -> bool:
    """Whether a workload's server follows this primary, by its pod's address or its data and receiver."""
    cluster = primary.cluster
    pods = [pod for pod in cluster.pods(live.selector) if pod.ready and not pod.deleting]
    addresses = {pod.ip for pod in pods}
    if any(one.streaming and one.address in addresses for one in senders(primary)):
        return True
    if not pods:
        return False
    target = target_of(cluster, live)
    seen = replace(target, mount=replace(target.mount, sub_path=""))
    state = inspect(partial(cluster.exec, pods[0]), seen.directory, seen.root, primary.facts.bin_dir)
    return state.system_identifier == primary.facts.system_identifier and state.follows and state.receiving
