"""Where another server gets its data from: address, role and Secret, as primary_conninfo and a subscription's
conninfo name them, never a password.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pgnb.cluster import HelperPod, Pod, SecretFile
from pgnb.core.display import Displayable, Table, key_value_table
from pgnb.core.errors import NotFound, ParameterError
from pgnb.core.tls import checked_tls, files_of
from pgnb.postgres import scripts
from pgnb.postgres.conninfo import conninfo
from pgnb.postgres.server import Server
from pgnb.postgres.services import Service, port_of, services_of

PASSFILE_DIRECTORY = "/run/pgnb"
PASSFILE = f"{PASSFILE_DIRECTORY}/passfile"
"""Where libpq finds the password in the standby's container, and in those that prepare it."""
_PASSWORD_FILE = "/run/pgnb-secret/password"  # noqa: S105  a path
PASSWORD_VARIABLE = "PGNB_PASSWORD"  # noqa: S105  a variable's name, not its value


@dataclass(frozen=True, repr=False)
class Source(Displayable):
    """The primary or publisher as another server reaches it: host, port, role, and the password's Secret.

    `database` is what slot synchronisation connects to (17). `tls` are libpq's TLS options; their paths are
    those of the container that connects.
    """

    host: str
    port: int
    role: str
    secret: str
    secret_key: str = "password"  # noqa: S105  a key's name
    tls: Mapping[str, str] = field(default_factory=dict)
    database: str = "postgres"

    def connection(self, application_name: str, passfile: str = PASSFILE) -> str:
        """The connection's text, with a passfile instead of a password."""
        return conninfo(
            {
                "host": self.host,
                "port": self.port,
                "user": self.role,
                "dbname": self.database,
                "application_name": application_name,
                "passfile": passfile,
                **self.tls,
            }
        )

    def subscription(self, database: str, passfile: str) -> str:
        """The text of a subscription's connection (subconninfo) to one of the server's databases."""
        return conninfo(
            {
                "host": self.host,
                "port": self.port,
                "user": self.role,
                "dbname": database,
                "passfile": passfile,
                **self.tls,
            }
        )

    def passfile_arguments(self, passfile: str = PASSFILE) -> tuple[str, str, str, str]:
        """What the scripts that write the passfile are given."""
        return passfile, self.host, str(self.port), self.role

    def given_to(self, spec: HelperPod, like: Pod) -> HelperPod:
        """The helper pod with the password as a file of its own, which those scripts read.

        Not in the environment: there it would stand as long as the pod lives, in /proc of its first process.
        The certificates that `tls` names are mounted as in the pod `like`, for which the helper connects.
        """
        file = SecretFile(self.secret, self.secret_key, _PASSWORD_FILE)
        env = {**spec.env, "PGNB_PASSWORD_FILE": _PASSWORD_FILE}
        given = replace(spec, env=env, secret_files=(*spec.secret_files, file))
        return given.with_files_of(like, files_of(self.tls))

    def passfile_writer(self, passfile: str) -> tuple[str, ...]:
        """The argv that copies the password from the Secret to a passfile of mode 0600."""
        return scripts.argv("passfile", "write_passfile", args=self.passfile_arguments(passfile))

    @property
    def passfile_command(self) -> tuple[str, ...]:
        """The init container's argv: the passfile in its place."""
        return self.passfile_writer(PASSFILE)

    @property
    def table(self) -> Table:
        """Address, role, and where the password stands."""
        facts = {
            "address": f"{self.host}:{self.port}",
            "role": self.role,
            "password": f"Secret {self.secret}, key {self.secret_key}",
            "TLS": ", ".join(f"{key}={value}" for key, value in self.tls.items()) or "libpq's own (prefer)",
        }
        return key_value_table("Source of the standby", facts)


def replication_source(
    primary: Server,
    *,
    role: str,
    secret: str,
    secret_key: str = "password",  # noqa: S107  a key's name
    service: str = "",
    tls: Mapping[str, str] | None = None,
) -> Source:
    """The source behind a Service; without a name, behind the one that leads to the primary's pod.

    `tls` are libpq's TLS options (sslmode, sslrootcert, …). Raises NotFound when none leads there (a pod's
    address changes with every restart, so it is no source), ParameterError when several do and none was
    named, or for TLS options that libpq could not carry out.
    """
    leading = services_of(primary)
    chosen = _chosen([s for s in leading if service in ("", s["metadata"]["name"])], service, leading)
    port = port_of(chosen, primary) or primary.facts.port
    return Source(chosen["metadata"]["name"], port, role, secret, secret_key, checked_tls(tls or {}))


def _chosen(found: Sequence[Service], service: str, leading: Sequence[Service]) -> Service:
    names = ", ".join(s["metadata"]["name"] for s in leading) or "none"
    with_address = [s for s in found if s["spec"].get("clusterIP") != "None"] or found
    if len(with_address) == 1:
        return with_address[0]
    if with_address:
        raise ParameterError(
            "several Services lead to the primary",
            found=names,
            remedy="Name the one that standbys should use.",
        )
    raise NotFound(
        f"the Service {service} does not lead to the primary"
        if service
        else "no Service leads to the primary",
        found=f"Services that do: {names}",
        remedy="Make one that selects the primary's pod: a standby must find it again after a restart.",
    )
