"""The passfile of a workload's server, written by an init container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgnb.cluster import Cluster, Workload, objects
from pgnb.cluster.security import User, effective_uid, server_user
from pgnb.core.plan import Step
from pgnb.physical.manifest import passfile_patch
from pgnb.postgres.source import PASSWORD_VARIABLE, Source

_ARGUMENTS = 4
"""The program's last arguments: path, host, port, role. Its text may be of an earlier version."""


def logs_in(workload: Workload, container: str, source: Source, owner: User) -> bool:
    """Whether the workload's template creates a passfile for this source that its server can read.

    `owner` owns the server's data directory.
    """
    spec = workload.object["spec"]["template"]["spec"]
    inits = [c for c in spec.get("initContainers") or [] if c["name"] == "passfile"]
    server: Mapping[str, Any] = next((c for c in spec["containers"] if c["name"] == container), {})
    reader = server_user(spec, server, owner).uid
    return bool(inits) and _fits(inits[0], source) and effective_uid(spec, inits[0]) == reader


def _fits(init: Mapping[str, Any], source: Source) -> bool:
    expected = list(source.passfile_command)[-_ARGUMENTS:]
    env = {e["name"]: (e.get("valueFrom") or {}).get("secretKeyRef") or {} for e in init.get("env") or []}
    secret = env.get(PASSWORD_VARIABLE, {})
    return list(init.get("command") or [])[-_ARGUMENTS:] == expected and (
        (secret.get("name"), secret.get("key")) == (source.secret, source.secret_key)
    )


def login_step(cluster: Cluster, workload: Workload, container: str, source: Source, owner: User) -> Step:
    """Return a step that gives a workload scaled to 0 the passfile for a source, and changes nothing else.

    `owner` owns the server's data directory; the file must belong to the user of the server's processes.
    """
    what = f"add the init container passfile: {source.role} at {source.host}:{source.port}"

    def run() -> str:
        spec = workload.object["spec"]["template"]["spec"]
        body = {"spec": {"template": {"spec": passfile_patch(spec, container, source, owner)}}}
        objects.patch_as_seen(cluster.api, workload.object, body, what, content_type=objects.STRATEGIC)
        return "changed"

    return Step(workload.label, what, run, journalled=True)
