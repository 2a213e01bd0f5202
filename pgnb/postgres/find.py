"""Find a server: one Ready pod, a session over TCP, and the expected database cluster."""

from __future__ import annotations

from dataclasses import dataclass

from pgnb.cluster import Cluster, Pod
from pgnb.cluster.pods import POSTGRES_PORT
from pgnb.core.errors import PodError
from pgnb.core.plan import Change
from pgnb.postgres.facts import assert_expected
from pgnb.postgres.incharge import assert_nobody_in_charge
from pgnb.postgres.route import Absent, ThroughPod
from pgnb.postgres.server import Server
from pgnb.postgres.session import Login


@dataclass(frozen=True)
class ServerAccess:
    """How a run signs in to a server, where it runs in its pod, and which one it must be.

    `password` says where the password is stored ("secret:NAME/KEY", …). `container` runs PostgreSQL ("" finds
    it), with its data in `data_directory` ("" takes PGDATA). `expect` is a system identifier; "" takes any.
    """

    user: str = "postgres"
    password: str = ""
    container: str = ""
    data_directory: str = ""
    expect: str = ""


def find_server(
    cluster: Cluster,
    selector: str,
    *,
    container: str = "",
    user: str = "postgres",
    password: str = "",
    database: str = "postgres",
    expect: str | int | None = None,
    made_by: Change | str = "",
) -> Server:
    """Return the PostgreSQL server in the only Ready pod of a selector, with its facts read over TCP.

    `password` says where the password is stored ("secret:NAME/KEY", …); `expect` is a system identifier. A
    Ready pod may have no usable server, so SQL is tried: the facts must be readable and the expected ones.
    `made_by` is the change of this run that makes the server, or the name of the notebook that does, for the
    error's remedy. Raises PodError, ConnectionFailed, WrongServer, and GateClosed for a server that an
    operator manages and that this run does not accept. Only if a plan-only run planned that change and there
    is no pod at all, an absent server is returned, which answers every query with no rows.
    """
    planned = isinstance(made_by, Change) and bool(made_by) and cluster.journal.dry_run
    if planned and not cluster.pods(selector):
        absent = Absent(f"the server of {selector}", f"no pod matches {selector} yet: it was only planned")
        return Server(absent, Login(user), cluster.journal, database=database)
    pod = _pod(cluster, selector, container, made_by if isinstance(made_by, str) else "")
    assert_nobody_in_charge(cluster, pod)
    login = Login(
        user,
        lambda: cluster.resolve_password(password, pod, user).reveal() or None,
        read_only=cluster.journal.dry_run,
    )
    route = ThroughPod(cluster, selector, container, POSTGRES_PORT, pod)
    server = Server(route, login, cluster.journal, database=database)
    assert_expected(server.name, server.facts, expect)
    _keep_for_the_record(server)
    return server


def _pod(cluster: Cluster, selector: str, container: str, made_by: str) -> Pod:
    try:
        return cluster.pod(selector, container)
    except PodError as missing:
        if not made_by or cluster.pods(selector):
            raise
        remedy = f"{missing.remedy} If it never existed, run {made_by} first.".strip()
        raise PodError(missing.message, found=missing.found, remedy=remedy) from missing


def _keep_for_the_record(server: Server) -> None:
    facts = server.facts
    server.journal.server(
        server.pod.name,
        image=server.pod.image,
        postgresql=facts.version_text,
        role=facts.role,
        system_identifier=facts.system_identifier,
        timeline=facts.timeline,
    )
