"""How long it takes until something is there: a container, a rehearsal cluster."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figure, seconds
from benchmarks.ground import Ground, Size
from benchmarks.places import REHEARSAL
from benchmarks.scripts import AS_POSTGRES
from pgnb_rehearsal import lifecycle

_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "bench-start"},
    "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "idle", "image": "postgres:17", "command": ["sleep", "infinity"]}],
    },
}
_SERVER = f"""
{AS_POSTGRES}
set -e
rm -rf /tmp/bench && as_postgres mkdir /tmp/bench
as_postgres initdb -D /tmp/bench/data
as_postgres pg_ctl -D /tmp/bench/data -w -l /tmp/bench/log \\
    -o "-c listen_addresses= -c unix_socket_directories=/tmp/bench" start
"""
_AWAY = f"""
{AS_POSTGRES}
as_postgres pg_ctl -D /tmp/bench/data -m immediate stop && rm -rf /tmp/bench
"""


def start(ground: Ground, size: Size) -> Sequence[Figure]:
    """A container, and a rehearsal cluster with its sample, beside initdb and pg_ctl start in a pod."""
    pods = [_pod(ground) for _ in range(size.at_most(5))]
    note = "kubectl's own two starts are in it."
    figures = [Figure("start-container", "a container, from kubectl apply to Ready", "none", pods, note=note)]
    if ground.described == REHEARSAL:
        mine, others = [], []
        for _ in range(size.at_most(3)):
            mine.append(_rehearsal(ground.folder / "second"))
            others.append(_server(ground))
        note = "The rehearsal also makes three databases with 200,000 rows, and a client that writes."
        figures.append(
            Figure("start-rehearsal", "pgnb rehearsal up", "initdb and pg_ctl start", mine, others, note=note)
        )
    return figures


def _pod(ground: Ground) -> float:
    def run() -> None:
        ground.kubectl("apply", "-f", "-", given=json.dumps(_POD))
        ground.kubectl("wait", "pod/bench-start", "--for=condition=Ready", "--timeout=300s")

    took = seconds(run)
    ground.kubectl("delete", "pod", "bench-start", "--wait")
    return took


def _rehearsal(home: Path) -> float:
    took = seconds(lambda: lifecycle.up("bench-start", state_home=home))
    lifecycle.down("bench-start", state_home=home)
    return took


def _server(ground: Ground) -> float:
    inside = ["exec", ground.primary.pod.name, "--", "bash", "-c"]
    took = seconds(lambda: ground.kubectl(*inside, _SERVER))
    ground.kubectl(*inside, _AWAY)
    return took
