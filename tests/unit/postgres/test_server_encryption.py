"""What libpq is told about TLS and the password, for each way to a server."""

import pytest

from pgnb.postgres import encryption

RELAY, DIRECT = "/tmp/pgnb-x", "10.244.0.7"


def test_a_relays_socket_is_never_asked_to_encrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(encryption.MODE_VARIABLE, "prefer")
    assert encryption.options(RELAY, 180000, encrypted=False)["sslmode"] == "disable"
    assert list(encryption.attempts()) == [False, True]


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_where_tls_is_asked_for_no_attempt_goes_without(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(encryption.MODE_VARIABLE, mode)
    assert list(encryption.attempts()) == [True]


def test_an_unverified_server_gets_no_password_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    for mode in ("disable", "prefer", "require"):
        monkeypatch.setenv(encryption.MODE_VARIABLE, mode)
        assert encryption.options(DIRECT, 180000, encrypted=False)["require_auth"] == "!password"
    monkeypatch.setenv(encryption.MODE_VARIABLE, "verify-ca")
    assert "require_auth" not in encryption.options(DIRECT, 180000, encrypted=True)
    assert "require_auth" not in encryption.options("127.0.0.1", 180000, encrypted=True)


def test_an_older_libpq_is_not_given_what_it_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(encryption.MODE_VARIABLE, raising=False)
    assert encryption.options(DIRECT, 150000, encrypted=False) == {
        "host": DIRECT,
        "hostaddr": "",
        "sslmode": "prefer",
    }
