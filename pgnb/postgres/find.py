"""Finding a server: one Ready pod, a session over TCP, and the database cluster that was expected."""

from __future__ import annotations

from pgnb.cluster import Cluster, Pod
from pgnb.core.errors import PodError
from pgnb.core.plan import Change
from pgnb.postgres.facts import assert_expected
from pgnb.postgres.incharge import assert_nobody_in_charge
from pgnb.postgres.route import Absent, ThroughPod
from pgnb.postgres.server import Server
from pgnb.postgres.session import Login


def find_server(
    cluster: Cluster,
    selector: str,
    *,
    container: str = "",
    user: str = "postgres",
    password: str = "",
    database: str = "postgres",
    port: int = 5432,
    expect: str | int | None = None,
    made_by: Change | str = "",
) -> Server:
    """The PostgreSQL server in the one Ready pod of a selector, with its facts read over TCP.

    `password` names where the password stands ("secret:NAME/KEY", …); `expect` is a system identifier.
    A Ready pod is not a usable server, so SQL is asked: the facts come back, and are the expected ones.
    `made_by` is the change of this run that makes the server, or the name of the notebook that comes first,
    for the error's remedy. Raises PodError, ConnectionFailed, WrongServer, and GateClosed for a server that
    an operator is in charge of and that this run does not accept. Only where a plan-only run
    planned that change and the pod is not there at all, the server comes back as an absent one, which
    answers every query with no rows.
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
    route = ThroughPod(cluster, selector, container, port, pod)
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
        remedy = f"{missing.remedy} Where it was never there, {made_by} comes first.".strip()
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
