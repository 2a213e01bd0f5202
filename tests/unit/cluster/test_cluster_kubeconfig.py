"""Which API server the parameters name."""

from __future__ import annotations

from pathlib import Path
from socket import create_server

import pytest
import yaml
from kubernetes import config
from replaying import recorded_pod, write_kubeconfig

from pgnb.cluster import Pod, kubeconfig
from pgnb.cluster.client import Api
from pgnb.cluster.forward import open_forward
from pgnb.cluster.kubeconfig import read_target
from pgnb.cluster.sockets import Sockets
from pgnb.core.errors import ApiUnreachable, ParameterError
from pgnb.core.journal import Journal


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_kubeconfig(tmp_path / "config", "https://127.0.0.1:1", namespace="from-context")


def test_the_current_context_and_its_namespace(file: Path) -> None:
    target = read_target(str(file))
    assert (target.context, target.server_url, target.namespace, target.user, target.in_cluster) == (
        "recorded",
        "https://127.0.0.1:1",
        "from-context",
        "u",
        False,
    )


def test_the_namespace_that_is_asked_for(file: Path) -> None:
    assert read_target(str(file), "recorded", "mine").namespace == "mine"


def test_no_token_in_what_a_target_shows(file: Path) -> None:
    assert "a-token-that-must-not-show" not in repr(read_target(str(file)))


def test_home_and_variables_are_expanded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(file.parent))
    monkeypatch.setenv("WHERE", str(file.parent))
    assert read_target("~/config").context == "recorded"
    assert read_target("$WHERE/config").context == "recorded"


def test_the_variable_that_kubectl_reads(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/not-there:{file}")
    assert read_target().context == "recorded"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ApiUnreachable, match="there is no kubeconfig file") as caught:
        read_target(f"{tmp_path}/nope")
    assert caught.value.found == "the parameter kubeconfig"
    assert "KUBECONFIG" in caught.value.remedy


def test_nothing_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ApiUnreachable, match=r"\.kube/config"):
        read_target()


def test_a_pod_without_an_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    with pytest.raises(ApiUnreachable, match="service account of a pod"):
        read_target()


def test_a_context_that_is_not_in_the_file(file: Path) -> None:
    with pytest.raises(ParameterError, match="no context 'prod'") as caught:
        read_target(str(file), "prod")
    assert caught.value.found == "contexts: recorded"


@pytest.mark.parametrize("kind", ["socks5", "socks5h", "socks4"])
def test_a_socks_proxy_is_refused_with_a_way_out(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    config = yaml.safe_load(file.read_text())
    config["clusters"][0]["cluster"] |= {
        "server": "https://far.example",
        "proxy-url": f"{kind}://127.0.0.1:1",
    }
    (tmp_path / "socks").write_text(yaml.safe_dump(config))
    with pytest.raises(ParameterError, match=f"the kind {kind} cannot be used") as refused:
        read_target(str(tmp_path / "socks"))
    assert "kubectl proxy" in refused.value.remedy


def test_a_proxy_of_the_environment(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    far = write_kubeconfig(tmp_path / "far", "https://api.example:6443")
    assert read_target(str(file)).configuration.proxy is None, "not for this machine"
    assert read_target(str(far)).configuration.proxy == "http://proxy.example:3128"
    monkeypatch.setenv("no_proxy", ".example")
    assert read_target(str(far)).configuration.proxy is None


def test_a_pods_own_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("token", "abc"), ("ca.crt", "x"), ("namespace", "inside\n")):
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(config.incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(config.incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setattr(kubeconfig, "ACCOUNT", tmp_path)
    target = read_target()
    assert (target.in_cluster, target.namespace, target.server_url) == (
        True,
        "inside",
        "https://10.96.0.1:443",
    )
    sockets, object_ = Sockets(Api(target, Journal())), recorded_pod()
    object_["status"]["podIP"] = "127.0.0.1"
    with create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with open_forward(sockets, Pod.of(object_), port) as forward:
            assert (forward.host, forward.port) == ("127.0.0.1", port)
        monkeypatch.setenv("PGNB_POD_ACCESS", "port-forward")
        with open_forward(sockets, Pod.of(object_), port) as forward:
            assert forward.host.startswith("/")
    monkeypatch.setenv("PGNB_POD_ACCESS", "auto")
    with open_forward(sockets, Pod.of(object_), port) as forward:
        assert forward.host.startswith("/"), "nothing answers at the pod's address any more"
    monkeypatch.setenv("PGNB_POD_ACCESS", "somehow")
    with pytest.raises(ParameterError, match="PGNB_POD_ACCESS cannot be 'somehow'"):
        open_forward(sockets, Pod.of(object_), port)
    sockets.close()


@pytest.mark.parametrize("text", ["", "[]", "a: [", "kind: Config\napiVersion: v1\n"])
def test_a_file_that_is_no_kubeconfig(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad").write_text(text)
    with pytest.raises((ApiUnreachable, ParameterError)) as caught:
        read_target(f"{tmp_path}/bad")
    assert f"{tmp_path}/bad" in caught.value.message


def test_a_context_whose_cluster_is_missing(file: Path) -> None:
    config = yaml.safe_load(file.read_text())
    config["clusters"] = [{"name": "other", "cluster": {"server": "https://x"}}]
    file.write_text(yaml.safe_dump(config))
    with pytest.raises(ApiUnreachable, match="cannot be used") as caught:
        read_target(str(file))
    assert "Expected object with name c" in caught.value.found


def test_a_credential_plugin_that_fails(file: Path) -> None:
    config = yaml.safe_load(file.read_text())
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "pgnb-no-such-plugin", "args": []}
    config["users"] = [{"name": "u", "user": {"exec": plugin | {"interactiveMode": "Never"}}}]
    file.write_text(yaml.safe_dump(config))
    with pytest.raises(
        ApiUnreachable, match="credential plugin of the user 'u' gave no credentials"
    ) as caught:
        read_target(str(file))
    assert caught.value.found == "pgnb-no-such-plugin"
    assert "log in again" in caught.value.remedy
