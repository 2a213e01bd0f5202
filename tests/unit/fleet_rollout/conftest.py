"""A fleet of targets, resolved without a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pgnb.fleet.fleetfile import Fleet, Target, Waves
from pgnb.fleet.targets import Plan, resolve


class Namespaces:
    """What `resolve` asks of a cluster: the namespaces that a label selector matches."""

    def __init__(self, *names: str) -> None:
        self.names, self.asked = names, ""

    def list(self, kind: str, selector: str) -> list[dict[str, Any]]:
        assert kind == "namespaces"
        self.asked = selector
        return [{"metadata": {"name": name}} for name in self.names]


@pytest.fixture
def fleet() -> Callable[..., Fleet]:
    def make(count: int = 3, *, sizes: tuple[int, ...] = (), **more: Any) -> Fleet:
        given: dict[str, Any] = {
            "name": "nightly",
            "image": "pgnb:1",
            "notebooks": ("00", "08"),
            "records": "file:///records",
            "targets": tuple(Target(f"t{n}", f"ns{n}") for n in range(count)),
            "waves": Waves(sizes),
        }
        return Fleet(**{**given, **more})

    return make


@pytest.fixture
def plan(fleet: Callable[..., Fleet]) -> Callable[..., Plan]:
    def make(count: int = 3, **more: Any) -> Plan:
        return resolve(fleet(count, **more), Namespaces())  # type: ignore[arg-type]

    return make
