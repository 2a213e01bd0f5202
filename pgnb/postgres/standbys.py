"""Find standbys: every server of one label selector, each identified by its own workload."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pgnb.cluster import Cluster, Pod
from pgnb.core.display import Table
from pgnb.core.errors import PodError
from pgnb.postgres.config.values import Wanted
from pgnb.postgres.find import find_server
from pgnb.postgres.server import Server

_POD_NAME = "statefulset.kubernetes.io/pod-name"


def find_standbys(
    cluster: Cluster,
    selector: str,
    *,
    container: str = "",
    user: str = "postgres",
    password: str = "",
    at_least: int = 1,
) -> tuple[Server, ...]:
    """Return the servers in the Ready pods of a selector: of Deployments, or of a StatefulSet.

    Raises PodError if there are fewer than `at_least`, and as `find_server` does for each of them.
    """
    found = [pod for pod in cluster.pods(selector, container) if pod.ready]
    if len(found) >= max(at_least, 1):
        own = [own_selector(cluster, pod, selector) for pod in found]
        return tuple(
            find_server(cluster, one, container=container, user=user, password=password) for one in own
        )
    if at_least == 0:
        return ()
    raise PodError(
        f"{len(found)} Ready pods match {selector!r} in the namespace {cluster.namespace}",
        found="; ".join(f"{pod.name}: {pod.not_ready_reason or 'Ready'}" for pod in cluster.pods(selector))
        or "no pod",
        remedy=f"At least {at_least} is needed: section 3 makes a standby (03_replica_bootstrap).",
    )


def own_selector(cluster: Cluster, pod: Pod, selector: str) -> str:
    """Return a selector that finds only this pod, and its replacement after a restart."""
    if _POD_NAME in pod.labels:
        return f"{_POD_NAME}={pod.labels[_POD_NAME]}"
    own = cluster.workload(pod).selector
    return ",".join(dict.fromkeys([*_requirements(selector), *_requirements(own)])) if own else selector


def _requirements(selector: str) -> list[str]:
    """Return the parts of a selector; commas inside `app in (a, b)` do not separate parts."""
    return [part.strip() for part in re.split(r",(?![^(]*\))", selector)]


def settings_of(servers: Sequence[Server], wanted: Mapping[str, Wanted]) -> Table:
    """Return settings of several servers with desired values, a line for each; none for absent servers.

    Raises ParameterError for a name or value that a server does not accept.
    """
    found = [(server.name, server.settings(wanted).table) for server in servers]
    columns = found[0][1].columns if found else ()
    rows = [(name, *row) for name, table in found for row in table.rows]
    return Table.of(("server", *columns), rows, title="Settings of the standbys")
