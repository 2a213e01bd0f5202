"""Certificates, keys and tokens: on no disk, and renewed where the server no longer takes them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from identities import Identity, encoded, server_side
from replaying import PODS, Replay, entry, recorded, serving, write_kubeconfig

from pgnb.cluster import Cluster, Pod, connect
from pgnb.core.errors import AccessDenied

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "config"}, "data": {"a": "b"}}


@dataclass(frozen=True)
class Known:
    """A TLS server and two clients that it knows."""

    replay: Replay
    authority: str
    first: Identity
    second: Identity


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Known]:
    first, second = Identity.of("first"), Identity.of("second")
    tls, authority = server_side(tmp_path, (first, second))
    with serving(tls) as replay:
        replay.answer("GET", "/version", 200, {"gitVersion": "v1.36.0"})
        yield Known(replay, authority, first, second)


def written(known: Known, path: Path, user: dict[str, object]) -> Path:
    server = {"certificate-authority-data": encoded(known.authority)}
    return write_kubeconfig(path, known.replay.url, user=user, server=server)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory that is the temporary one, here and in what is started."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def speaking(replay: Replay) -> None:
    replay.sockets.append(next(found for found in recorded("exec") if found["what"] == "exit 0"))


def test_the_kubeconfigs_key_is_on_no_disk(
    known: Known, tmp_path: Path, temporary: Path, primary: Pod
) -> None:
    cluster = connect(str(written(known, tmp_path / "c", known.first.user)), dry_run=True)
    known.replay.answer("GET", PODS, 200, {"items": []})
    speaking(known.replay)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda _: cluster.list("pods"), range(32))) == [[]] * 32
    assert cluster.exec(primary, ["true"]).exit_status == 0
    assert set(known.replay.callers) == {"first"}
    assert list(temporary.iterdir()) == []
    cluster.close()


def test_a_killed_run_leaves_no_key(known: Known, tmp_path: Path, temporary: Path) -> None:
    file = written(known, tmp_path / "c", known.first.user)
    program = (
        "import signal, pgnb.cluster;"
        f"pgnb.cluster.connect({str(file)!r}, dry_run=True); print('there', flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "there\n"
        run.send_signal(signal.SIGKILL)
    assert set(known.replay.callers) == {"first"}
    assert list(temporary.rglob("*")) == []


def test_where_no_file_can_lie_in_memory_it_is_private_and_goes(temporary: Path) -> None:
    program = (
        "import os, stat; from pathlib import Path; del os.memfd_create; from pgnb.cluster import kubeconfig;"
        "path = Path(kubeconfig.key_file(b'key')); assert kubeconfig.key_file(b'key') == str(path);"
        "print(path.read_text(), *(oct(stat.S_IMODE(p.stat().st_mode)) for p in (path.parent, path)), path)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    content, folder, file, path = run.stdout.split()
    assert (content, folder, file) == ("key", "0o700", "0o600")
    assert path.startswith(str(temporary))
    assert list(temporary.iterdir()) == []


def connected(replay: Replay, path: Path, user: dict[str, object]) -> Cluster:
    replay.answer("GET", "/version", 200, {"gitVersion": "v1.36.0"})
    with replay.answering("GET", PODS, 200, {"items": []}):
        return connect(str(write_kubeconfig(path, replay.url, user=user)), dry_run=False)


def credential(path: Path, **status: str) -> Path:
    """The answer of a credential plugin."""
    kind = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    path.write_text(json.dumps(kind | {"status": status}))
    return path


def certificate(path: Path, identity: Identity) -> Path:
    """The answer of a plugin that gives a client certificate."""
    return credential(path, clientCertificateData=identity.certificate, clientKeyData=identity.key)


def plugin(answer: Path, *, before: str = "true") -> dict[str, object]:
    """A user whose credential plugin runs a command and answers with what the file then holds."""
    script = ["-c", f"{before}; cat {answer}"]
    version = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": version, "command": "sh", "args": script, "interactiveMode": "Never"}}


def test_a_read_is_repeated_with_the_token_that_the_file_now_has(replay: Replay, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    cluster = connected(replay, tmp_path / "c", {"tokenFile": str(file)})
    file.write_text("second\n")
    replay.revoked.add("first")
    replay.answer("GET", PODS, 200, {"items": []})
    replay.callers.clear()
    assert cluster.list("pods") == []
    assert replay.callers == ["first", "second"]
    cluster.close()


def test_a_change_that_was_answered_401_is_repeated(replay: Replay, tmp_path: Path) -> None:
    answer = credential(tmp_path / "answer", token="first")
    cluster = connected(replay, tmp_path / "c", plugin(answer))
    credential(answer, token="second")
    replay.revoked.add("first")
    replay.take(entry("objects", "create"))
    replay.callers.clear()
    cluster.create(CONFIG_MAP)
    assert replay.callers == ["first", "second"]
    assert [act.ok for act in cluster.journal.entries] == [True]
    cluster.close()


def test_a_command_whose_opening_was_answered_401_is_run(
    replay: Replay, tmp_path: Path, primary: Pod
) -> None:
    answer = credential(tmp_path / "answer", token="first")
    cluster = connected(replay, tmp_path / "c", plugin(answer))
    credential(answer, token="second")
    replay.revoked.add("first")
    speaking(replay)
    replay.callers.clear()
    assert cluster.exec(primary, ["true"]).exit_status == 0
    assert replay.callers == ["first", "second"]
    cluster.close()


def test_a_plugins_certificate_is_renewed_for_requests_and_commands(
    known: Known, tmp_path: Path, temporary: Path, primary: Pod
) -> None:
    answer = certificate(tmp_path / "answer", known.first)
    cluster = connect(str(written(known, tmp_path / "c", plugin(answer))), dry_run=True)
    speaking(known.replay)
    cluster.exec(primary, ["true"])
    certificate(answer, known.second)
    known.replay.revoked.add("first")
    known.replay.answer("GET", PODS, 200, {"items": []})
    known.replay.callers.clear()
    assert cluster.list("pods") == []
    cluster.exec(primary, ["true"])
    assert known.replay.callers == ["first", "second", "second"]
    assert list(temporary.iterdir()) == []
    cluster.close()


def test_many_threads_renew_once(replay: Replay, tmp_path: Path) -> None:
    answer, calls = credential(tmp_path / "answer", token="first"), tmp_path / "calls"
    cluster = connected(replay, tmp_path / "c", plugin(answer, before=f"echo >> {calls}"))
    calls.write_text("")
    credential(answer, token="second")
    replay.revoked.add("first")
    replay.answer("GET", PODS, 200, {"items": []})
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda _: cluster.list("pods"), range(16))) == [[]] * 16
    assert calls.read_text() == "\n"
    cluster.close()


def test_credentials_that_are_still_refused_are_tried_once_more_and_not_again(
    replay: Replay, tmp_path: Path
) -> None:
    cluster = connected(replay, tmp_path / "c", {"token": "first"})
    replay.revoked.add("first")
    replay.callers.clear()
    with pytest.raises(AccessDenied, match="does not accept these credentials"):
        cluster.list("pods")
    assert replay.callers == ["first", "first"]
    cluster.close()


def test_a_kubeconfig_that_leads_to_another_server_by_now_is_not_followed(
    replay: Replay, tmp_path: Path
) -> None:
    cluster = connected(replay, tmp_path / "c", {"token": "first"})
    write_kubeconfig(tmp_path / "c", "http://127.0.0.1:1", user={"token": "second"})
    replay.revoked.add("first")
    replay.callers.clear()
    with pytest.raises(AccessDenied, match="does not accept these credentials") as caught:
        cluster.list("pods")
    assert f"it was u at {replay.url}" in caught.value.found
    assert replay.callers == ["first"]
    cluster.close()


def test_a_certificate_that_is_not_checked_is_told(known: Known, tmp_path: Path) -> None:
    review = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    known.replay.answer("POST", review, 201, {"status": {"allowed": True}})
    user = dict[str, object](known.first.user)
    server = {"insecure-skip-tls-verify": True}
    blind = write_kubeconfig(tmp_path / "b", known.replay.url, user=user, server=server)
    checked, unchecked = (
        connect(str(file), dry_run=True) for file in (written(known, tmp_path / "c", user), blind)
    )
    assert "insecure-skip-tls-verify" in str(unchecked)
    assert "insecure-skip-tls-verify" not in str(checked)
    (advice,) = (check for check in unchecked.access_checks() if not check.ok)
    assert (advice.name, advice.advice) == ("the API server's certificate is checked", True)
    assert "certificate-authority-data" in advice.remedy
    assert all(check.ok for check in checked.access_checks())
    for cluster in (checked, unchecked):
        cluster.close()
