"""The source of another server's data: address, role and Secret, never a password."""

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
"""The passfile's path in the standby's container, and in those that prepare it."""
_PASSWORD_FILE = "/run/pgnb-secret/password"  # noqa: S105  a path
PASSWORD_VARIABLE = "PGNB_PASSWORD"  # noqa: S105  a variable's name, not its value


@dataclass(frozen=True, repr=False)
class Source(Displayable):
    """The primary or publisher as another server reaches it: host, port, role, and the password's Secret.

    `database` is for slot synchronisation (since 17). `tls` are libpq's TLS options; their paths are those of
    the connecting container.
    """

    host: str
    port: int
    role: str
    secret: str
    secret_key: str = "password"  # noqa: S105  a key's name
    tls: Mapping[str, str] = field(default_factory=dict)
    database: str = "postgres"

    def connection(self, application_name: str, passfile: str = PASSFILE) -> str:
        """Return the connection string, with a passfile instead of a password."""
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
        """Return the connection string of a subscription (subconninfo) to one of the server's databases."""
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
        """Return the arguments of the scripts that write the passfile."""
        return passfile, self.host, str(self.port), self.role

    def given_to(self, spec: HelperPod, like: Pod) -> HelperPod:
        """Return the helper pod with the password as a file of its own, which those scripts read.

        It is not in the environment, where it would be visible in /proc of the first process as long as the
        pod lives. The certificates of `tls` are mounted as in the pod `like`, for which the helper connects.
        """
        file = SecretFile(self.secret, self.secret_key, _PASSWORD_FILE)
        env = {**spec.env, "PGNB_PASSWORD_FILE": _PASSWORD_FILE}
        given = replace(spec, env=env, secret_files=(*spec.secret_files, file))
        return given.with_files_of(like, files_of(self.tls))

    def passfile_writer(self, passfile: str) -> tuple[str, ...]:
        """Return the argv that copies the password from the Secret to a passfile of mode 0600."""
        return scripts.argv("passfile", "write_passfile", args=self.passfile_arguments(passfile))

    @property
    def passfile_command(self) -> tuple[str, ...]:
        """The argv of the init container that writes the passfile."""
        return self.passfile_writer(PASSFILE)

    @property
    def table(self) -> Table:
        """Address, role, and where the password is stored."""
        facts = {
            "address": f"{self.host}:{self.port}",
            "role": self.role,
            "password": f"Secret {self.secret}, key {self.secret_key}",
            "TLS": ", ".join(f"{key}={value}" for key, value in self.tls.items())
            or "libpq's default (prefer)",
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
    """Return the source behind a Service; without a name, behind the one that selects the primary's pod.

    `tls` are libpq's TLS options (sslmode, sslrootcert, …). Raises NotFound if there is none (a pod's address
    changes with every restart, so it cannot be the source), ParameterError if there are several and none was
    named, or for TLS options that libpq would not accept.
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
            "several Services select the primary",
            found=names,
            remedy="Name the one for standbys.",
        )
    raise NotFound(
        f"the Service {service} does not select the primary" if service else "no Service selects the primary",
        found=f"Services that do: {names}",
        remedy="Create one that selects the primary's pod: a standby must find it again after a restart.",
    )
