"""A slow way to the API server, one that breaks, and one on which nothing arrives any more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shaped
from cells import performed
from slowly import slow_way

from pgnb.cluster import connect
from pgnb.errors import ApiUnreachable
from pgnb.server import find_server

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
        assert "answered nothing within 1 s" in caught.value.remedy
        server.close()
        cluster.close()
