"""The times that a runbook feels."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import pytest
import websocket

from tests.integration.conformance.replay import Api
from tests.integration.node.conftest import SLEEP, Pods


def _once(api: Api, path: str) -> float:
    began = time.perf_counter()
    socket = websocket.create_connection(
        f"wss://{api.host}:{api.port}{path}",
        subprotocols=["v5.channel.k8s.io"],
        header=[f"Authorization: {api.authorization}"],
        sslopt={"context": api.tls},
    )
    while socket.recv_data()[0] != websocket.ABNF.OPCODE_CLOSE:
        continue
    taken = time.perf_counter() - began
    socket.shutdown()
    return taken


@pytest.mark.alone
def test_exec_takes_at_most_15_ms(pods: Pods, kubeconfig: Path) -> None:
    """The best of three medians."""
    pods.run("p", SLEEP)
    api = Api.from_kubeconfig(kubeconfig)
    path = pods.path("pods/p/exec?command=true&stdout=true&stderr=true")
    medians = [statistics.median(_once(api, path) for _ in range(15)) for _ in range(3)]
    assert min(medians) <= 0.015, medians
