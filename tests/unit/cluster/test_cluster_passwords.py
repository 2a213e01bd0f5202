"""References to passwords: what they name, and that no value ever shows."""

from __future__ import annotations

import base64
import pickle
from pathlib import Path

import pytest
from replaying import NAMESPACE, Replay, recorded_pod

from pgnb.cluster import Cluster, Pod, Secret
from pgnb.core.errors import NotFound, ParameterError

SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"


def keep(replay: Replay, name: str, **data: str) -> None:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    replay.answer("GET", f"{SECRETS}/{name}", 200, {"kind": "Secret", "data": encoded})


def test_a_secret_never_shows_itself() -> None:
    secret = Secret("secret/x key y", "hunter2")
    assert secret.reveal() == "hunter2"
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {secret!s:>40}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_a_key_of_a_secret(replay: Replay, cluster: Cluster) -> None:
    keep(replay, "creds", password="p:w/1", newline="abc\n")
    assert cluster.resolve_password("secret:creds/password").reveal() == "p:w/1"
    assert cluster.resolve_password("secret:creds/newline").reveal() == "abc"


def test_a_key_that_is_not_there_names_those_that_are(replay: Replay, cluster: Cluster) -> None:
    keep(replay, "creds", password="x", user="y")
    with pytest.raises(NotFound) as caught:
        cluster.resolve_password("secret:creds/nope")
    assert caught.value.found == "keys: password, user"


def test_a_key_that_is_no_text_is_named_and_not_shown(replay: Replay, cluster: Cluster) -> None:
    data = base64.b64encode(b"Geheim\xff\xfe").decode()
    replay.answer("GET", f"{SECRETS}/creds", 200, {"kind": "Secret", "data": {"password": data}})
    with pytest.raises(ParameterError, match="key 'password' of the Secret creds is not UTF-8") as caught:
        cluster.resolve_password("secret:creds/password")
    assert caught.value.found == "byte 7 of 8 is invalid"
    assert caught.value.remedy
    assert caught.value.__context__ is None, "it would hold the bytes"


@pytest.mark.parametrize("text", ["hunter2\r\n", "hunter2\r", "hunter2\nmore", "hunter2\n\n"])
def test_a_password_that_no_passfile_can_hold_is_said(replay: Replay, cluster: Cluster, text: str) -> None:
    keep(replay, "creds", password=text)
    with pytest.raises(ParameterError, match="key 'password' of the Secret creds holds") as refused:
        cluster.resolve_password("secret:creds/password")
    assert "hunter2" not in str(refused.value)
    assert ("Windows" in refused.value.found) == ("\r" in text)


def test_a_passfile_that_is_no_text(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "pgpass"
    file.write_bytes(b"*:*:*:postgres:caf\xe9\n")
    file.chmod(0o600)
    with pytest.raises(ParameterError, match=r"pgpass is not UTF-8"):
        cluster.resolve_password(f"passfile:{file}", user="postgres")


def test_an_environment_variable(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_PASSWORD", "abc")
    assert cluster.resolve_password("env:MY_PASSWORD").reveal() == "abc"
    with pytest.raises(ParameterError, match="MY_OTHER_PASSWORD is not set"):
        cluster.resolve_password("env:MY_OTHER_PASSWORD")


def test_a_passfile_by_user(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "pgpass"
    file.write_text("# mine\nh:5432:*:postgres:a\\:b\\\\c\n*:*:*:other:zzz\n")
    file.chmod(0o600)
    assert cluster.resolve_password(f"passfile:{file}", user="postgres").reveal() == "a:b\\c"
    assert cluster.resolve_password(f"passfile:{file}", user="other").reveal() == "zzz"
    with pytest.raises(ParameterError, match="holds 2 passwords"):
        cluster.resolve_password(f"passfile:{file}")


def test_a_passfiles_user_may_end_in_a_backslash(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "passfile"
    file.write_text("h:5432:*:us\\\\:pw:with:colons\n")
    file.chmod(0o600)
    assert cluster.resolve_password(f"passfile:{file}", user="us\\").reveal() == "pw:with:colons"


def test_a_passfile_that_others_can_read(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "pgpass"
    file.write_text("*:*:*:*:abc\n")
    file.chmod(0o644)
    with pytest.raises(ParameterError, match="other users can read") as caught:
        cluster.resolve_password(f"passfile:{file}")
    assert "0o644" in caught.value.found


def test_a_variable_of_the_pod(replay: Replay, cluster: Cluster) -> None:
    keep(replay, "creds", password="from-secret", PGX="from-all")
    spec = recorded_pod()
    spec["spec"]["containers"][0] |= {
        "env": [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "creds", "key": "password"}}},
            {"name": "B", "value": "plain"},
        ],
        "envFrom": [{"secretRef": {"name": "creds"}}],
    }
    pod = Pod.of(spec)
    found = [cluster.resolve_password(f"pod-env:{name}", pod).reveal() for name in ("A", "B", "PGX")]
    assert found == ["from-secret", "plain", "from-all"]
    with pytest.raises(ParameterError, match="no environment variable NOPE"):
        cluster.resolve_password("pod-env:NOPE", pod)


@pytest.mark.parametrize("reference", ["hunter2", "secret:s3", "secret:a/b/c9", "vault:x7", ":p4ss"])
def test_a_password_itself_is_refused_and_not_repeated(cluster: Cluster, reference: str) -> None:
    with pytest.raises(ParameterError) as caught:
        cluster.resolve_password(reference)
    assert reference not in str(caught.value)
    assert "secret:NAME/KEY" in caught.value.remedy


def test_no_reference_is_no_password(cluster: Cluster) -> None:
    assert not cluster.resolve_password("")
