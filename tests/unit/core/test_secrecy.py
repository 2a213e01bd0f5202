"""No secret of any spelling survives `masked`, and nothing else changes."""

import json
from pathlib import Path

import pytest

from pgnb.core.display import Table, diff_text
from pgnb.core.errors import QueryFailed
from pgnb.core.journal import Journal
from pgnb.core.secrecy import masked

HOLDING = [
    "host=a password=Geheim1 user=b",
    "host=a password = Geheim1",
    "password='Geheim1 Geheim1' host=a",
    r"password='Geheim1\' Geheim1' host=a",
    r"password=Geheim1\ Geheim1 host=a",
    "password=Gehe'Geheim1 host=a",
    "sslpassword=Geheim1 sslkey=/k",
    "PASSWORD=Geheim1",
    "postgresql://u:Geheim1@h/db",
    "postgres://u:Geh@Geheim1@h:5432/db?sslmode=require",
    "postgresql://h/db?user=u&password=Geheim1&sslmode=require",
    "archive_command = 'AWS_SECRET_ACCESS_KEY=Geheim1 wal-g wal-push %p'",
    "archive_command = 'curl -T %p https://u:Geheim1@store/%f'",
    "restore_command = 'PGPASSWORD=\"Geheim1 Geheim1\" fetch'",
    "archive_command = 'backup --password Geheim1 push'",
    "archive_command = 'backup --token=Geheim1 push'",
    "ssl_passphrase_command = 'echo Geheim1'",
    "ALTER SYSTEM SET ssl_passphrase_command = 'echo Geheim1'",
    "primary_conninfo = 'host=a password=''Geheim1 Geheim1'' user=b'",
    r"primary_conninfo = 'host=a password=\'Geheim1 Geheim1\' user=b'",
    "CREATE ROLE a PASSWORD 'Geheim1'",
    "ALTER DATABASE a SET \"app.jwt_secret\" = 'Geheim1'",
    "ALTER ROLE a SET \"app.password\" = 'Geheim1'",
    "ALTER ROLE a SET app.api_key = 'Geheim1'",
    "CREATE ROLE a PASSWORD 'Gehe''Geheim1'",
    r"ALTER ROLE a PASSWORD E'Gehe\'Geheim1'",
    "ALTER ROLE a PASSWORD $$Geheim1$$",
    "ALTER ROLE a PASSWORD $x$Geheim1 'Geheim1'$x$ LOGIN",
    "ALTER ROLE a PASSWORD 'Geheim1\nGeheim1",
    "CREATE SUBSCRIPTION s CONNECTION 'host=a password=Geheim1' PUBLICATION p",
    "CREATE SUBSCRIPTION s CONNECTION 'host=a password=''Geheim1 Geheim1''' PUBLICATION p",
    "CREATE SUBSCRIPTION s CONNECTION $$host=a password=Geheim1$$ PUBLICATION p",
    "ALTER ROLE a PASSWORD 'SCRAM-SHA-256$4096:Geheim1$Geheim1:Geheim1'",
    "rolpassword is SCRAM-SHA-256$4096:Geheim1$Geheim1:Geheim1",
    r"CREATE SUBSCRIPTION s CONNECTION E'host=a password=Geheim1\\ Geheim1 user=b' PUBLICATION p",
    r"CREATE SUBSCRIPTION s CONNECTION E'host=a password=''x\\'' Geheim1''' PUBLICATION p",
    "- name: PGPASSWORD\n  value: Geheim1\n",
    '+  - name: "RESTIC_PASSWORD"\n+    value: "Geheim1"\n',
]
HARMLESS = [
    "secret:postgres-primary/password",
    "primary_password_from = 'secret:postgres-primary/password'",
    "host=a passfile=/run/pgnb/passfile user=b",
    "password_encryption = scram-sha-256",
    "replication_secret = 'postgres-replication'",
    "https://127.0.0.1:6443/api/v1/namespaces",
    "ssl_passphrase_command_supports_reload = off",
    "ssl_passphrase_command = ''",
    "ALTER ROLE a PASSWORD NULL",
    "valueFrom:\n  secretKeyRef:\n    key: password\n    name: postgres-primary",
    "primary key = id",
]


@pytest.mark.parametrize("text", HOLDING)
def test_a_secret_is_masked(text: str) -> None:
    once = masked(text)
    assert "Geheim1" not in once
    assert masked(once) == once


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text: str) -> None:
    assert masked(text) == text


def test_what_stands_beside_a_secret_stays() -> None:
    assert masked("host=a password=Geheim1 user=b") == "host=a password=******** user=b"
    assert (
        masked("postgresql://u:Geheim1@h/db?sslmode=require")
        == "postgresql://u:********@h/db?sslmode=require"
    )


def test_tables_diffs_errors_and_journals_show_none(tmp_path: Path) -> None:
    text = "host=a password=Geheim1 user=b"
    table = Table.of(("setting", "now"), [("primary_conninfo", text)], title=text, note=text)
    assert "Geheim1" not in str(table) + table._repr_html_()
    assert "Geheim1" not in diff_text(f"{text}\n", f"{text} x=y\n", "primary")
    assert "Geheim1" not in str(QueryFailed(text, found=text, remedy=text))
    journal = Journal(tmp_path / "journal.jsonl")
    with pytest.raises(RuntimeError), journal.act("server", text) as act:
        act.result = text
        raise RuntimeError(text)
    settings = {"primary_conninfo": text, "ssl_passphrase_command": "echo Geheim1"}
    journal.write("former", {"settings": settings})
    assert "Geheim1" not in (tmp_path / "journal.jsonl").read_text() + str(journal.table)
    assert [json.loads(line)["kind"] for line in (tmp_path / "journal.jsonl").open()] == [
        "begin",
        "end",
        "former",
    ]
