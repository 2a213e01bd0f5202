"""Sessions with servers that demand TLS, or a client certificate, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pgnb.core.errors import ConnectionFailed, ParameterError
from pgnb.core.wait import wait_until
from pgnb.postgres import Server, encryption
from tests.certificates import Authority

NAME = "primary.example"
_WRITE = 'umask 077; cat >"$1"'
_TLS_ONLY = (
    "local all all trust\nhostssl all all 127.0.0.1/32 {method}\nhost replication all 127.0.0.1/32 trust\n"
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("certificates"))
    made.issue("authority")
    made.issue("stranger")
    for subject in (NAME, "postgres"):
        made.issue(subject, "authority", made.key_of("authority"))
    return made


@pytest.fixture(scope="module")
def server(find: Callable[..., Server], authority: Authority) -> Server:
    """A server with TLS on, whose rules over TCP are `hostssl` alone."""
    found = find("primary")
    data = found.facts.data_directory
    for file, content in (
        ("server.crt", f"{NAME}.crt"),
        ("server.key", f"{NAME}.key"),
        ("root.crt", "authority.crt"),
    ):
        _write(found, f"{data}/{file}", (authority.folder / content).read_bytes())
    for setting, value in (("ssl", "on"), ("ssl_ca_file", "root.crt")):
        found.execute(f"ALTER SYSTEM SET {setting} = '{value}'")
    _rules(found, "scram-sha-256")
    found.execute("SELECT pg_reload_conf()")
    wait_until("TLS", lambda: found.scalar("SHOW ssl"), lambda on: on == "on", timeout=20)
    return found


def _write(server: Server, path: str, content: bytes) -> None:
    argv = ("sh", "-c", _WRITE, "write", path)
    server.cluster.exec(server.pod, argv, stdin=content, changes=f"write {path}")


def _rules(server: Server, method: str) -> None:
    path = str(server.scalar("SHOW hba_file"))
    _write(server, path, _TLS_ONLY.format(method=method).encode())
    server.execute("SELECT pg_reload_conf()")


def _encrypted(server: Server) -> bool:
    with server.new_session() as session:
        rows = session.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        return bool(rows[0]["ssl"])


def test_where_the_server_demands_it_a_session_is_encrypted_by_itself(server: Server) -> None:
    assert _encrypted(server)


def test_disable_is_refused_in_the_servers_own_words(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(encryption.MODE_VARIABLE, "disable")
    with pytest.raises(ConnectionFailed) as refused:
        _encrypted(server)
    assert "no encryption" in refused.value.found


def test_the_certificate_is_verified_with_its_name(
    server: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", authority.path("authority.crt"))
    monkeypatch.setenv(encryption.MODE_VARIABLE, "verify-full")
    with pytest.raises(ParameterError, match="needs the name"):
        _encrypted(server)
    monkeypatch.setenv(encryption.NAME_VARIABLE, NAME)
    assert _encrypted(server)
    monkeypatch.setenv(encryption.NAME_VARIABLE, "another.example")
    with pytest.raises(ConnectionFailed) as refused:
        _encrypted(server)
    assert "does not match host name" in refused.value.found


def test_a_strangers_certificate_is_refused(
    server: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", authority.path("stranger.crt"))
    monkeypatch.setenv(encryption.MODE_VARIABLE, "verify-ca")
    with pytest.raises(ConnectionFailed) as refused:
        _encrypted(server)
    assert "certificate verify failed" in refused.value.found
    assert "PGSSLROOTCERT" in refused.value.remedy


def test_a_client_certificate_signs_in(
    server: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    _rules(server, "cert")
    try:
        with pytest.raises(ConnectionFailed) as refused:
            _encrypted(server)
        assert "client certificate" in refused.value.found
        monkeypatch.setenv("PGSSLCERT", authority.path("postgres.crt"))
        monkeypatch.setenv("PGSSLKEY", authority.path("postgres.key"))
        assert _encrypted(server)
    finally:
        _rules(server, "scram-sha-256")


def test_a_mode_that_is_none_is_named(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(encryption.MODE_VARIABLE, "verify")
    with pytest.raises(ParameterError, match="'verify', which is not an sslmode"):
        _encrypted(server)
