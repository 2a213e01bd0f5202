"""The Unix socket of the server in its pod, where this machine is the node and may open it."""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path

import psycopg

from pgnb.postgres import Server

_DIRECTORY = "var/run/postgresql"


def connect_by_socket(server: Server, password: str) -> psycopg.Connection | None:
    """Connect to `server` without Kubernetes in between; None where its socket is out of reach.

    The files of a container are below /proc/PID/root on its node, for the user that runs it and for root.
    """
    wanted = server.facts.system_identifier
    for socket in Path("/proc").glob(f"[0-9]*/root/{_DIRECTORY}/.s.PGSQL.{server.facts.port}"):
        with suppress(psycopg.OperationalError):
            connection = psycopg.connect(
                host=str(socket.parent), user="postgres", password=password, autocommit=True
            )
            if _identifier(connection) == wanted:
                return connection
            connection.close()
    return None


def _identifier(connection: psycopg.Connection) -> str:
    with closing(connection.execute("SELECT system_identifier::text FROM pg_control_system()")) as found:
        return str((found.fetchone() or [""])[0])
