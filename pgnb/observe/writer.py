"""A client in the cluster that keeps writing, to check the guarantee of online changes.

It runs in a pod, connects as an application does, and prints each row's id after its commit was acknowledged.
Its log, with the node's time stamps, is the evidence; it does not depend on pgnb's own connection to the
cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.resources import files

from pgnb.cluster import Cluster, HelperPod, LogLine, Pod
from pgnb.cluster.security import User, server_user
from pgnb.core.errors import NotFound, ParameterError
from pgnb.core.wait import wait_until
from pgnb.observe.scratch import Scratch
from pgnb.observe.write_log import DurabilityCheck, WriteLog, write_log_of
from pgnb.postgres import Server, compose, identifier
from pgnb.postgres.progress import wait_replayed
from pgnb.postgres.queries import sql_of
from pgnb.postgres.services import port_of, services_of

_PREFIX = "pgnb-writer"
_EVERY = "0.02"
"""Seconds between two rows."""
_LIFETIME = 3600
_FIRST_ROW = 60.0
_LOG_LIMIT = 64 * 1024 * 1024
_TABLE = """\
CREATE TABLE IF NOT EXISTS public.heartbeat (
    id bigint PRIMARY KEY DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp())"""
# The time in microseconds: unlike a sequence's number, it is not used twice after a failover.


@dataclass(frozen=True)
class Writer:
    """A writing client, found by its pods' label, and the table that it writes to (`id` is what it prints).

    `Writer(cluster, "app=sample-writer", "shop", "heartbeat")` reads a client that already runs.
    """

    cluster: Cluster = field(repr=False)
    selector: str
    database: str
    table: str
    column: str = "id"
    schema: str = "public"
    own: str = ""
    """The pod's name if `start_client` created it."""

    def report(self, since: datetime | None = None) -> WriteLog:
        """Return the client's log, since its beginning or since a time. Raises NotFound without a pod."""
        asked = datetime.now(
            UTC
        )  # Before the log is read, so that a slow answer does not count as a time without a row.
        lines = [line for pod in self._pods() for line in self._log(pod, since)]
        return write_log_of(self.selector.rpartition("=")[2], lines, asked, since)

    def _pods(self) -> tuple[Pod, ...]:
        pods = self.cluster.pods(self.selector)
        if not pods:
            raise NotFound(
                f"no writing client: no pod matches {self.selector}",
                remedy="Start one with start_client, or give the label of the existing client.",
            )
        return pods

    def _log(self, pod: Pod, since: datetime | None) -> list[LogLine]:
        if pod.phase == "Pending":
            return []  # It has no log yet; the API would refuse to read it.
        return list(self.cluster.logs(pod, timestamps=True, since_time=since, limit_bytes=_LOG_LIMIT))

    def check_durability(
        self, server: Server, write_log: WriteLog, *, lsn: str = "", timeout: float = 60.0
    ) -> DurabilityCheck:
        """Search the acknowledged rows on a server; on a standby, after it has replayed up to `lsn`."""
        if lsn:
            wait_replayed(server, lsn, timeout)
        query = compose(
            sql_of("observe/missing_ids", server.facts.major),
            ids=list(write_log.ids),
            table=identifier(self.schema, self.table),
            column=identifier(self.column),
        )
        missing = server.query(query, database=self.database)
        return DurabilityCheck(server.name, write_log.acknowledged, [row["id"] for row in missing])

    def stop(self) -> None:
        """Remove the pod that start_client created; do nothing for a client that existed before."""
        if self.own:
            self.cluster.delete("pods", self.own)


def start_writer(
    primary: Server,
    scratch: Scratch,
    password: str,
    *,
    host: str = "",
    other_password: str = "",
) -> Writer:
    """Start a client that keeps writing into the scratch database.

    As `start_client`, after creating the scratch database and its table.
    """
    make_table(scratch)
    return start_client(primary, scratch.database, password, host=host, other_password=other_password)


def start_client(
    primary: Server,
    database: str,
    password: str,
    *,
    user: str = "",
    host: str = "",
    other_password: str = "",
) -> Writer:
    """Start a client that writes a row every 20 ms into the database's table `heartbeat`.

    `password`: `secret:NAME/KEY`, or `pod-env:NAME` that comes from a Secret; the pod reads it from there.
    `host`: where it connects to; empty: the Service that selects the primary's pod, else the pod's address.
    `user`: empty is pgnb's own role. `other_password`: of the same role on another server that the host may
    lead to later. It ends by itself after an hour. Returns when the first row is acknowledged.
    Raises ParameterError, PodError for a pod that cannot start, DeadlineExceeded with the client's output,
    and GateClosed in a plan-only run.
    """
    pod_name = f"{_PREFIX}-{datetime.now(UTC):%H%M%S%f}"[: len(_PREFIX) + 10]
    passwords = {"PGPASSWORD": password, "PGNB_OTHER_PASSWORD": other_password}
    spec = _spec(primary, passwords, _address(primary, host))
    env = {**spec.env, "PGDATABASE": database, "PGUSER": user or primary.login.user}
    spec = replace(spec, env=env, labels={"app": pod_name})
    primary.cluster.create(primary.cluster.helper_manifest(spec, pod_name, seconds=_LIFETIME))
    writer = Writer(primary.cluster, f"app={pod_name}", database, "heartbeat", own=pod_name)
    try:
        primary.cluster.wait_started(pod_name, timeout=_FIRST_ROW)
        wait_until(
            "the writing client's first rows",
            writer.report,
            lambda seen: seen.acknowledged > 1,
            timeout=_FIRST_ROW,
            every=0.2,
            describe=lambda seen: "; ".join(seen.summary) or "it starts",
            remedy="See the client's output: check the Service's name, pg_hba.conf, the password.",
        )
    except BaseException:
        writer.stop()
        raise
    return writer


def make_table(scratch: Scratch) -> None:
    """Create the scratch database and the client's table, if they do not exist."""
    scratch.plan_create().apply()
    scratch.change(_TABLE, "CREATE TABLE heartbeat")


def _spec(primary: Server, passwords: Mapping[str, str], address: tuple[str, int]) -> HelperPod:
    pod = primary.pod
    scripts = files("pgnb.observe") / "scripts"
    script, meter = ((scripts / name_).read_text(encoding="utf-8") for name_ in ("writer.sh", "meter.sh"))
    env = {
        "PGHOST": address[0],
        "PGPORT": str(address[1]),
        "PGNB_EVERY": _EVERY,
        "PGNB_PSQL": primary.facts.tool("psql"),
    }
    known = {variable: _secret_of(reference, pod) for variable, reference in passwords.items()}
    secrets = {variable: secret for variable, secret in known.items() if secret}
    spec = HelperPod(_PREFIX, pod.image, ("sh", "-c", script, "writer", meter), env, secrets)
    user = server_user(pod.spec, pod.container_spec, User(primary.owner.uid, primary.owner.gid))
    return replace(spec.like(pod), uid=user.uid, gid=user.gid)


def _secret_of(reference: str, pod: Pod) -> tuple[str, str] | None:
    """Return the Secret and key of a password's reference; None if there is no password."""
    scheme, _, rest = reference.partition(":")
    if not reference:
        return None
    if scheme == "secret" and rest.count("/") == 1:
        secret, _, key = rest.partition("/")
        return secret, key
    for env in pod.env:
        if scheme == "pod-env" and env.name == rest and env.source.startswith("secret/"):
            return env.source.removeprefix("secret/"), env.key
    raise ParameterError(
        "the writing client's password must be in a Secret",
        found="a reference that does not name a Secret",
        remedy="Write secret:NAME/KEY.",
    )


def stands_in_secret(reference: str, pod: Pod) -> bool:
    """Return whether a password's reference names a Secret, which a pod can read."""
    try:
        return _secret_of(reference, pod) is not None
    except ParameterError:
        return False


def _address(primary: Server, host: str) -> tuple[str, int]:
    """Return host and port as an application would use them: a Service's own, else the server's."""
    for service in services_of(primary):
        called = str(service["metadata"]["name"])
        if host in ("", called):
            return called, port_of(service, primary) or primary.facts.port
    return host or primary.pod.ip, primary.facts.port
