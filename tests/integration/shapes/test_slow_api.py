"""A slow way to the API server, one that breaks, and one on which nothing arrives any more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shaped
from cells import performed
from slowly import slow_way

from pgnb.cluster import HelperPod, connect, sockets
from pgnb.core.errors import ApiUnreachable
from pgnb.postgres import find_server

pytestmark = pytest.mark.long

LATENCY = 0.02
"""Seconds, each way: a VPN across a continent."""


def test_a_standby_is_made_over_a_slow_and_breaking_way(
    place: Callable[..., Any], kubeconfig: Path, tmp_path: Path
) -> None:
    there = place(shaped.seventeen())
    with slow_way(kubeconfig, tmp_path / "slow", LATENCY) as way:
        given = there.parameters | {"kubeconfig": str(tmp_path / "slow")}
        for number in ("02", "03"):
            with performed(number, given) as names:
                way.cut()
                assert names["cluster"].get("services", there.shape.name)
                assert names["primary"].scalar("SELECT 1") == 1


def test_a_command_that_says_nothing_is_not_cut_off_by_a_proxy(
    place: Callable[..., Any], kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load balancer before the API takes a stream on which nothing is said for a dead one."""
    monkeypatch.setattr(sockets, "KEEP_ALIVE", 0.5)
    there = place(shaped.seventeen())
    with slow_way(kubeconfig, tmp_path / "idle", 0.0, idle=2.0):
        cluster = connect(str(tmp_path / "idle"), "", there.cluster.namespace)
        pod = cluster.pod(there.parameters["primary_selector"])
        assert cluster.exec(pod, ["sh", "-c", "sleep 5; echo done"]).text == "done"
        cluster.close()


def test_an_api_server_that_is_away_for_a_while_ends_no_work_that_goes_on_without_it(
    place: Callable[..., Any], kubeconfig: Path, tmp_path: Path
) -> None:
    """Away for longer than a request is repeated, while the helper works and is looked at."""
    there = place(shaped.seventeen())
    with slow_way(kubeconfig, tmp_path / "away", 0.0) as way:
        cluster = connect(str(tmp_path / "away"), "", there.cluster.namespace, timeout=1.0)
        pod = cluster.pod(there.parameters["primary_selector"])
        back: list[threading.Timer] = []

        def goes_away(line: str) -> None:
            if line == "begun":
                way.refuse()
                back.append(threading.Timer(6.0, way.accept))
                back[0].start()

        spec = HelperPod("away", "", ("sh", "-c", "echo begun; sleep 3; echo ended")).like(pod)
        result = cluster.run_helper(spec, timeout=60, on_log=goes_away)
        assert back and not back[0].is_alive()
        assert result.text == "begun\nended"
        cluster.close()


def test_a_way_on_which_nothing_arrives_is_said_in_time(
    place: Callable[..., Any], kubeconfig: Path, tmp_path: Path
) -> None:
    there = place(shaped.seventeen())
    password = there.parameters["primary_password_from"]
    with slow_way(kubeconfig, tmp_path / "slow", 0.0) as way:
        cluster = connect(str(tmp_path / "slow"), "", there.cluster.namespace, dry_run=True, timeout=1.0)
        server = find_server(cluster, there.parameters["primary_selector"], password=password)
        way.stall()
        with pytest.raises(ApiUnreachable, match="no answer from the API server") as caught:
            cluster.get("services", there.shape.name)
        assert "It did not answer within 1 s" in caught.value.remedy
        server.close()
        cluster.close()
