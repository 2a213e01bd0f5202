"""Where a subscription gets its rows from: the publisher's address, role and Secret, never a password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pgnb.cluster import HelperPod, Pod
from pgnb.server.conninfo import conninfo


class Origin(Protocol):
    """What `replication_source` answers: the publisher behind a Service, as another server reaches it."""

    @property
    def host(self) -> str:
        """The Service's name."""
        ...

    @property
    def port(self) -> int:
        """The Service's port."""
        ...

    @property
    def role(self) -> str:
        """The role that replicates."""
        ...

    @property
    def secret(self) -> str:
        """The Secret with its password."""
        ...

    @property
    def secret_key(self) -> str:
        """The Secret's key."""
        ...

    @property
    def tls(self) -> Mapping[str, str]:
        """libpq's TLS options; paths are those of the subscriber's container."""
        ...

    def given_to(self, spec: HelperPod, like: Pod) -> HelperPod:
        """The helper pod with the password as a file of its own, and the certificates as in that pod."""
        ...

    def passfile_writer(self, passfile: str) -> tuple[str, ...]:
        """The argv that makes a passfile of that file, in a pod that was `given_to`."""
        ...


def connection(origin: Origin, database: str, passfile: str) -> str:
    """The subscription's connection text (subconninfo): a passfile instead of a password."""
    return conninfo(
        {
            "host": origin.host, "port": origin.port, "user": origin.role, "dbname": database,
            "passfile": passfile, **origin.tls,
        }
    )  # fmt: skip
