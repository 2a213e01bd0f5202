"""Connection strings, the passfile, connectivity tests and progress, as text."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psycopg
import pytest

from pgnb.cluster import HelperPod, Pod
from pgnb.core.errors import ParameterError
from pgnb.physical.connectivity import checks_of, read_results
from pgnb.physical.progress import words
from pgnb.physical.slots import check_slot_name
from pgnb.postgres import scripts
from pgnb.postgres.conninfo import conninfo, without_password
from pgnb.postgres.source import PASSFILE, Source

SOURCE = Source("postgres-primary", 5432, "replicator", "replication")


@pytest.mark.parametrize("value", ["plain", "two words", "it's", r"back\slash", "a=b", "日本"])
def test_libpq_reads_back_what_was_quoted(value: str) -> None:
    text = conninfo({"host": "h", "application_name": value, "sslmode": ""})
    assert psycopg.conninfo.conninfo_to_dict(text) == {"host": "h", "application_name": value}


def test_the_connection_names_a_passfile_and_no_password() -> None:
    parts = psycopg.conninfo.conninfo_to_dict(SOURCE.connection("async_replica"))
    assert parts["passfile"] == PASSFILE
    assert parts["application_name"] == "async_replica"
    assert "password" not in parts


@pytest.mark.parametrize(
    "text", ["user=a password=geheim host=b", r"password = 'ge\'heim' host=b", "PASSWORD=geheim"]
)
def test_a_password_is_blanked(text: str) -> None:
    assert "heim" not in without_password(text)
    assert "password" in without_password(text).lower()


def test_a_passfile_is_not_taken_for_a_password() -> None:
    assert without_password("passfile=/run/pgnb/passfile") == "passfile=/run/pgnb/passfile"


@pytest.mark.parametrize("password", ["simple", "co:lon", r"back\slash", "with blank", "'\"$(id)`", "%s%n"])
def test_libpq_finds_the_password_in_the_passfile(tmp_path: Path, password: str) -> None:
    """Held against libpq itself: PQconninfoParse does not read passfiles, so its rules are applied here."""
    file = tmp_path / "passfile"
    argv = scripts.argv("passfile", "write_passfile", args=(str(file), "host", "5432", "ro:le"))
    subprocess.run(argv, check=True, env={**os.environ, "PGNB_PASSWORD": password})
    assert file.stat().st_mode & 0o777 == 0o600
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    wanted = f"host:5432:*:ro\\:le:{escaped}\n"
    assert file.read_text() == wanted
    given = tmp_path / "given"
    given.write_text(f"{password}\n")
    file.unlink()
    subprocess.run(argv, check=True, env={**os.environ, "PGNB_PASSWORD_FILE": str(given)})
    assert file.read_text() == wanted


def test_a_helper_gets_the_password_as_a_file_and_not_in_its_environment() -> None:
    helper = HelperPod("x", "postgres:17", ("true",), uid=999, start_timeout=7.0)
    server = Pod.of({"metadata": {"name": "db", "uid": "1"}, "spec": {"containers": [{"name": "db"}]}})
    spec = SOURCE.given_to(helper, server)
    pod = spec.manifest("x-1", seconds=60)["spec"]
    (container,) = pod["containers"]
    assert [env["name"] for env in container["env"]] == ["PGNB_PASSWORD_FILE"]
    assert "valueFrom" not in str(container["env"])
    path = container["env"][0]["value"]
    assert any(path.startswith(f"{mount['mountPath']}/") for mount in container["volumeMounts"])
    assert pod["initContainers"][0]["command"][-1] == path


def test_each_failure_of_the_source_is_told_apart() -> None:
    def failed(text: str) -> list[str]:
        return [c.name for c in checks_of(read_results(text), SOURCE, "7") if not c.ok]

    good = "proof 0 name\n10.0.0.1 h\nproof 0 port\naccepting\n"
    refused = 'FATAL:  no pg_hba.conf entry for replication connection from host "10.0.0.2", user "r"'
    assert failed("proof 2 name\n") == ["name"]
    assert failed("proof 0 name\n10.0.0.1\nproof 2 port\nno response\nproof 2 session\nrefused") == ["port"]
    assert failed(f"{good}proof 2 session\n{refused}") == ["replication session (pg_hba.conf)"]
    wrong = 'FATAL:  password authentication failed for user "replicator"'
    assert failed(f"{good}proof 2 session\n{wrong}") == ["replication session (password)"]
    role = "FATAL:  permission denied to start WAL sender\nDETAIL:  Only roles with the REPLICATION attribute"
    assert failed(f"{good}proof 2 session\n{role}") == ["replication session (REPLICATION)"]
    assert failed(f"{good}proof 0 session\n8|1|0/3000148|") == ["system identifier there"]
    assert failed(f"{good}proof 0 session\n7|1|0/3000148|") == []
    assert failed("") == ["name"]


def test_the_servers_own_words_are_kept() -> None:
    text = "proof 0 name\nx\nproof 0 port\nx\nproof 2 session\npsql: error: FATAL: something new"
    found = [c for c in checks_of(read_results(text), SOURCE, "7") if not c.ok]
    assert [c.found for c in found] == ["psql: error: FATAL: something new"]


def test_progress_in_words() -> None:
    mega = 1024 * 1024
    assert words(0, None, 1.0, "waiting for checkpoint to finish") == "waiting for checkpoint to finish"
    assert words(12 * mega, 48 * mega, 6.0 * mega, "") == "12.0 MB of 48.0 MB (25 %), 6.0 MB/s, 6.0 s left"
    assert words(12 * mega, None, 6.0 * mega, "streaming") == "12.0 MB, 6.0 MB/s (streaming)"
    assert "(100 %)" in words(50 * mega, 48 * mega, 6.0 * mega, "")


@pytest.mark.parametrize("name", ["", "Replica", "my-slot", "a b", "x" * 64, "slot\n", "日本"])
def test_a_name_that_the_server_would_refuse(name: str) -> None:
    with pytest.raises(ParameterError, match="is not a valid slot name"):
        check_slot_name(name)


def test_a_good_name_is_returned() -> None:
    assert check_slot_name("replica_slot_2") == "replica_slot_2"
