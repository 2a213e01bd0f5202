"""Database clusters that are copied instead of made: each is one of its own, as initdb would have made it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Server

_ASK = "SELECT system_identifier FROM pg_control_system()"


def _run(kubectl: Callable[..., Any], server: Server, *command: str) -> str:
    ended = kubectl("exec", "-n", server.namespace, server.pod, "--", *command)
    assert ended.returncode == 0, ended.stderr
    return str(ended.stdout)


def _psql(kubectl: Callable[..., Any], server: Server, statement: str) -> str:
    login = f"host=127.0.0.1 user=postgres password={server.password}"
    return _run(kubectl, server, "psql", "-Atd", login, "-c", statement).strip()


@pytest.mark.long
def test_a_copy_has_its_own_identifier_and_the_options_that_were_asked_for(
    kubectl: Callable[..., Any], start_postgres: Callable[..., Server], namespace: str
) -> None:
    made, copied = (start_postgres(namespace, name) for name in ("made", "copied"))
    checked = start_postgres(namespace, "checked", env={"POSTGRES_INITDB_ARGS": "--data-checksums"})
    identifiers = {_psql(kubectl, server, _ASK) for server in (made, copied, checked)}
    assert len(identifiers) == 3
    for server, checksums in ((made, "off"), (copied, "off"), (checked, "on")):
        assert _psql(kubectl, server, "SHOW data_checksums") == checksums
        said = _run(kubectl, server, "sh", "-c", 'pg_controldata "$PGDATA" 2>&1')
        assert "WARNING" not in said
        assert _psql(kubectl, server, _ASK) in said
    files = "SELECT count(*) FROM pg_ls_dir('base/5')"
    assert _psql(kubectl, made, files) == _psql(kubectl, copied, files)
    logs = [kubectl("logs", "-n", namespace, server.pod).stdout for server in (made, copied)]
    assert all("Success. You can now start the database server" in log for log in logs)
    assert logs[0].count("initdb: warning") == logs[1].count("initdb: warning")
