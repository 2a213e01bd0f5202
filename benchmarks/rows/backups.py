"""A base backup of 2 GB."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.figures import Figure, seconds
from benchmarks.ground import Ground, Size
from benchmarks.places import fresh
from benchmarks.progress import say
from pgnb.cluster import HelperResult
from pgnb.physical.bootstrap import BACKUP_NAME, Bootstrap
from pgnb.physical.install import Role
from pgnb.physical.manifest import data_owner
from pgnb.physical.progress import BackupProgress
from pgnb.physical.standby import plan_standby_workload
from pgnb.physical.standby_spec import StandbySpec
from pgnb.physical.target import find_target
from pgnb.postgres.source import replication_source

_STANDBY, _CONFIG_MAP, _SECRET = (
    "postgres-async-replica",
    "postgres-async-replica-config",
    "postgres-replication",
)
_ROWS_A_MEGABYTE = 512
_FILL = "CREATE TABLE filling AS SELECT n, repeat(md5(n::text), 60) AS text FROM generate_series(1, {}) AS n"
"""Four rows a page, none of them compressed."""
_RAW = """
rm -rf -- "$1"
exec pg_basebackup -h "$2" -U "$3" -D "$1" -Fp -Xs -P -R --checkpoint=fast --no-password
"""


def base_backup(ground: Ground, size: Size) -> Sequence[Figure]:
    """Notebook 03's helper pod against a pod of the same kind that runs pg_basebackup and nothing else."""
    megabytes = 8 if size.quick else 2048
    copied, whole, raw = [], [], []
    with fresh(ground, "backup") as place:
        work = _prepared(place, megabytes)
        for _ in range(size.at_most(3)):
            result = work.back_up(BackupProgress(work.primary, BACKUP_NAME).look)
            whole.append(result.seconds)
            copied.append(result.seconds - _verifying(result))
            raw.append(_raw(place, work))
            say(f"pgnb {copied[-1]:.1f} s, and {whole[-1] - copied[-1]:.1f} s to verify; raw {raw[-1]:.1f} s")
    what, peer = f"base backup of {megabytes:,} MB", "pg_basebackup in a pod of the same kind"
    note = "From the pod's creation to pg_basebackup's end, a fast checkpoint on both sides."
    return [
        Figure("base-backup", what, peer, copied, raw, goal=1.05, note=note),
        Figure(
            "base-backup-verified",
            f"{what}, and pg_verifybackup",
            peer,
            whole,
            raw,
            note="What 03 does: the procedure verifies nothing.",
        ),
    ]


def _prepared(place: Ground, megabytes: int) -> Bootstrap:
    with place.primary.new_session(statement_timeout=0) as session:
        session.execute(_FILL.format(megabytes * _ROWS_A_MEGABYTE))
    place.run("02")
    with place.primary.new_session(statement_timeout=0) as session:
        session.execute("CHECKPOINT")
    source = replication_source(place.primary, role="replicator", secret=_SECRET, service="postgres-primary")
    spec = StandbySpec(_STANDBY, "replica_slot", "async_replica", config_map=_CONFIG_MAP, copy_timeout=3600)
    plan_standby_workload(place.primary, spec, source).apply()
    target = find_target(place.cluster, _STANDBY)
    assert target is not None  # it was made the line before
    role = Role(source.connection(spec.application_name), spec.slot, {}, {})
    return Bootstrap(
        place.primary,
        target,
        spec,
        source,
        role,
        data_owner(place.primary),
        interrupted=False,
        replacing=False,
    )


def _verifying(result: HelperResult) -> float:
    """Seconds between the two lines that the helper's script writes around pg_verifybackup."""
    began, ended = (
        next(line.at for line in result.log if line.text == text)
        for text in ("copied; verifying", "verified")
    )
    assert began is not None and ended is not None  # a helper's log is read with times
    return (ended - began).total_seconds()


def _raw(place: Ground, work: Bootstrap) -> float:
    argv = ("bash", "-c", _RAW, "bash", f"{work.target.new}-raw", work.source.host, work.source.role)
    spec = work.target.helper("bench-raw", argv, uid=work.owner.uid, gid=work.owner.gid)
    spec = replace(spec, secret_env={"PGPASSWORD": (_SECRET, "password")})
    pod = json.dumps(spec.manifest("bench-raw", seconds=3600))

    def run() -> None:
        place.kubectl("apply", "-f", "-", given=pod)
        place.kubectl("wait", "pod/bench-raw", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=3600s")

    took = seconds(run)
    place.kubectl("delete", "pod", "bench-raw", "--wait")
    return took
