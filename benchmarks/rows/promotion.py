"""From the order to promote to the first row that a client writes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click

from benchmarks.figures import Figure
from benchmarks.ground import Ground, Size
from benchmarks.places import fresh
from benchmarks.progress import say
from benchmarks.scripts import AS_POSTGRES

_CLAIM = "postgres-async-replica-data"
_PROMOTED = "SELECT pg_promote(false)"
_CLIENT = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "client"},
    "spec": {
        "terminationGracePeriodSeconds": 1,
        "containers": [
            {
                "name": "client",
                "image": "postgres:17",
                "command": ["sleep", "infinity"],
                "env": [
                    {
                        "name": "PGPASSWORD",
                        "valueFrom": {"secretKeyRef": {"name": "postgres-primary", "key": "password"}},
                    }
                ],
            }
        ],
    },
}
_WRITE = "INSERT INTO written DEFAULT VALUES"
_BY_SERVICE = f"""
until psql "host=postgres-primary user=postgres connect_timeout=1" -qAt -c "{_WRITE}" \\
    -c "SELECT 'timeline ' || substr(pg_walfile_name(pg_current_wal_lsn()), 8, 1)" 2>&1 |
    grep -qx 'timeline 2'; do
    sleep 0.01
done
date +%s.%N
"""
"""A client that writes until a row of it is on the new timeline; then it says the time."""
_BY_HAND = f"""
{AS_POSTGRES}
began=$(date +%s.%N)
as_postgres pg_ctl promote -D "$PGDATA" >&2
until psql -U postgres -q -c "{_WRITE}" >&2; do sleep 0.01; done
echo "$began $(date +%s.%N)"
"""


def promotion(ground: Ground, size: Size) -> Sequence[Figure]:
    """Notebook 09's switchover, from pg_promote on, against `pg_ctl promote` and a row on the socket."""
    mine, others = [], []
    for _ in range(size.at_most(3)):
        with fresh(ground, "promotion") as place:
            place.primary.execute("CREATE TABLE written (at timestamptz DEFAULT clock_timestamp())")
            place.run("02", "03")
            others.append(_by_hand(place))
            place.run("03", "-p", "wipe_standby_data", _CLAIM)
            mine.append(_by_notebook(place))
            say(f"09 {mine[-1] * 1000:.0f} ms, pg_ctl promote {others[-1] * 1000:.0f} ms")
    note = (
        "A switchover by 09, from the moment at which it sends pg_promote: with the Service's switch, to the"
        " first row that a client in a pod of its own writes through the Service. It tries every 10 ms, with"
        " a new connection. The clocks of this machine and of the pod are taken to be the same."
    )
    what, peer = "promotion to the first write through the Service", "pg_ctl promote to a row on the socket"
    return [Figure("promotion", what, peer, mine, others, goal=1.3, note=note)]


def _by_hand(place: Ground) -> float:
    """Seconds in the standby's pod; the standby has left its primary then."""
    said = place.kubectl("exec", place.standby.pod.name, "--", "bash", "-c", _BY_HAND)
    place.renew()
    began, ended = map(float, said.split())
    return ended - began


def _by_notebook(place: Ground) -> float:
    place.kubectl("apply", "-f", "-", given=json.dumps(_CLIENT))
    place.kubectl("wait", "pod/client", "--for=condition=Ready", "--timeout=120s")
    with _writing(place) as client:
        place.run(
            "09", "-p", "operation", "switchover", "-p", "allow_promotion", "true", "-p", "longest_gap", "600"
        )
        said, _ = client.communicate(timeout=120)
    return float(said) - _ordered(place.records)


@contextmanager
def _writing(place: Ground) -> Iterator[subprocess.Popen[str]]:
    command = [*place.command, "exec", "client", "--", "bash", "-c", _BY_SERVICE]
    client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield client
    finally:
        client.kill()
        client.wait()


def _ordered(records: Path) -> float:
    """When the newest run sent pg_promote, as its journal has it."""
    newest = max(records.glob("*_09_failover/journal.jsonl"))
    for line in newest.read_text("utf-8").splitlines():
        entry = json.loads(line)
        if entry["kind"] == "begin" and entry["what"] == _PROMOTED:
            return datetime.fromisoformat(entry["at"]).timestamp()
    raise click.ClickException(f"{newest} knows of no promotion")
