"""Requests: patience for reads, none for changes, nothing sent in a plan-only run."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from replaying import NAMESPACE, PODS, Replay, entry, write_kubeconfig

from pgnb.cluster import Cluster, connect
from pgnb.core.errors import AccessDenied, ApiUnreachable, GateClosed, ParameterError

MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "config"}, "data": {"a": "b"}}


def test_a_busy_server_is_asked_again(replay: Replay, cluster: Cluster) -> None:
    replay.answer("GET", PODS, 503, "")
    replay.answer("GET", PODS, 429, {"message": "too many requests"})
    replay.answer("GET", PODS, 200, {"items": []})
    assert cluster.list("pods") == []
    assert sum(path.startswith(PODS) for _, path, _, _ in replay.requests) == 3


def test_a_server_that_stays_busy_is_told_so(replay: Replay, cluster: Cluster) -> None:
    replay.answer("GET", PODS, 503, {"message": "the server is currently unable to handle the request"})
    with pytest.raises(ApiUnreachable, match="currently unable to handle"):
        cluster.list("pods")


def test_a_change_is_not_sent_twice(replay: Replay, cluster: Cluster) -> None:
    replay.answer("POST", MAPS, 503, {"message": "went away"})
    with pytest.raises(ApiUnreachable, match="went away"):
        cluster.create(CONFIG_MAP)
    assert sum((method, path.startswith(MAPS)) == ("POST", True) for method, path, *_ in replay.requests) == 1
    assert cluster.journal.entries[-1].ok is False


def test_a_change_that_was_not_begun_is_sent_again(replay: Replay, cluster: Cluster) -> None:
    replay.answer("POST", MAPS, 429, {"message": "later"})
    replay.take(entry("objects", "create"))
    assert cluster.create(CONFIG_MAP)["metadata"]["name"] == "config"


def test_a_plan_only_run_sends_no_change(replay: Replay, kubeconfig: Path) -> None:
    replay.answer("GET", "/version", 200, {"gitVersion": "v1.36.0"})
    cluster = connect(str(kubeconfig), dry_run=True)
    acts = (
        lambda: cluster.create(CONFIG_MAP),
        lambda: cluster.delete("pods", "x"),
        lambda: cluster.apply(CONFIG_MAP),
        lambda: cluster.patch("configmaps", "x", {}, "test"),
    )
    for act in acts:
        with pytest.raises(GateClosed, match="plan only"):
            act()
    sent = {(method, path) for method, path, *_ in replay.requests if method != "GET"}
    assert sent <= {("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews")}
    cluster.close()


@pytest.mark.parametrize(("labels", "plans"), [({}, True), ({"pgnb/practice": "true"}, False), (None, True)])
def test_auto_applies_only_where_the_namespace_says_practice(
    replay: Replay, kubeconfig: Path, labels: dict[str, str] | None, plans: bool
) -> None:
    replay.answer("GET", "/version", 200, {"gitVersion": "v1.36.0"})
    if labels is None:
        denied = entry("access", "forbidden: list nodes")["response"]["body"]
        replay.answer("GET", f"/api/v1/namespaces/{NAMESPACE}", 403, denied)
    else:
        replay.answer("GET", f"/api/v1/namespaces/{NAMESPACE}", 200, {"metadata": {"labels": labels}})
    replay.answer("GET", PODS, 200, {"items": []})
    cluster = connect(str(kubeconfig), dry_run="auto")
    assert cluster.dry_run is plans
    cluster.close()


@pytest.mark.parametrize("value", ["maybe", "", "0"])
def test_another_word_for_dry_run(kubeconfig: Path, value: str) -> None:
    with pytest.raises(ParameterError, match="dry_run cannot be"):
        connect(str(kubeconfig), dry_run=value)


def test_an_expired_token(replay: Replay, kubeconfig: Path) -> None:
    replay.answer("GET", "/version", 401, entry("access", "bad token")["response"]["body"])
    with pytest.raises(AccessDenied, match="does not accept these credentials"):
        connect(str(kubeconfig))


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = write_kubeconfig(tmp_path / "c", f"http://127.0.0.1:{port}")
    with pytest.raises(
        ApiUnreachable, match=f"no answer from the API server http://127.0.0.1:{port}"
    ) as caught:
        connect(str(config), timeout=2.0)
    assert "Connection refused" in caught.value.found


def test_a_server_that_says_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = write_kubeconfig(tmp_path / "c", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(ApiUnreachable) as caught:
            connect(str(config), timeout=0.5)
    assert "within 0.5 s" in caught.value.remedy


def test_a_name_that_does_not_resolve(tmp_path: Path) -> None:
    config = write_kubeconfig(tmp_path / "c", "https://no-such-host.invalid")
    with pytest.raises(ApiUnreachable) as caught:
        connect(str(config), timeout=2.0)
    assert "no-such-host.invalid" in str(caught.value)


def test_what_is_no_tls(replay: Replay, tmp_path: Path) -> None:
    config = write_kubeconfig(tmp_path / "c", replay.url.replace("http", "https"))
    with pytest.raises(ApiUnreachable) as caught:
        connect(str(config), timeout=2.0)
    assert "SSL" in caught.value.found


def test_the_card_shows_target_and_mode_and_no_token(replay: Replay, cluster: Cluster) -> None:
    text = f"{cluster!r}{cluster._repr_html_()}"
    assert all(word in text for word in ("recorded", "pgnb-record", "v1.36.0", "admin", "apply"))
    assert "a-token-that-must-not-show" not in text


def test_a_server_that_asks_for_more_time_than_is_left_is_not_waited_for(
    replay: Replay, cluster: Cluster
) -> None:
    replay.answer("GET", PODS, 429, {"message": "too many requests"}, **{"Retry-After": "86400"})
    with pytest.raises(ApiUnreachable, match="too many requests"):
        cluster.list("pods")
    assert sum(path.startswith(PODS) for _, path, _, _ in replay.requests) == 1


def test_an_answer_that_is_no_api_servers(replay: Replay, cluster: Cluster) -> None:
    replay.answer("GET", PODS, 200, "<html>Please log in</html>")
    with pytest.raises(ApiUnreachable, match="is not an API server") as caught:
        cluster.list("pods")
    assert "Please log in" in caught.value.found
    assert "proxy" in caught.value.remedy
