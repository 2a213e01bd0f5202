"""Which operations need the right to switch the Service, and until when."""

from __future__ import annotations

from typing import Any, cast

import pytest

from pgnb.core.journal import Journal
from pgnb.logical.cutover.checks import service_rights
from pgnb.logical.cutover.participants import Cutover, ReverseReplication
from pgnb.logical.cutover.status import CutoverStatus, DatabaseState
from pgnb.logical.specs import DatabaseSpec, Specs
from pgnb.logical.subscription import Subscription
from pgnb.observe.phases import PhaseTimer
from pgnb.postgres import Login, Server
from pgnb.postgres.route import Absent

_SPEC = DatabaseSpec.of("shop")
_HERE, _THERE = (Server(Absent(name, ""), Login("postgres"), Journal()) for name in ("here", "there"))
_SUBSCRIBED = cast(Subscription, object())


def _asked(
    operation: Any, *, leads: bool, subscribed: bool, reverse: str = "", followed: bool = False
) -> bool:
    subscription = _SUBSCRIBED if subscribed else None
    state = DatabaseState(_SPEC, None, subscription, None, (), False, followed, None)
    back, timer = ReverseReplication(reverse), PhaseTimer(_THERE.journal, _THERE)
    cut = Cutover(cast(Any, None), operation, _HERE, _THERE, Specs((_SPEC,)), "orders", timer, reverse=back)
    found = list(service_rights(cut, CutoverStatus((state,), leads, "", cut.service)))
    assert {(right.verb, right.resource, right.name) for right in found} <= {("patch", "services", "orders")}
    return bool(found)


@pytest.mark.parametrize("operation", ["cutover", "failover"])
def test_it_is_asked_for_until_the_clients_are_led_on(operation):
    assert _asked(operation, leads=False, subscribed=True)
    assert _asked(operation, leads=False, subscribed=False)
    assert not _asked(operation, leads=True, subscribed=False)


def test_a_planned_one_that_goes_on_looks_at_the_service_again():
    assert _asked("cutover", leads=True, subscribed=True)
    assert _asked("cutover", leads=True, subscribed=False, reverse="other")
    assert not _asked("cutover", leads=True, subscribed=False, reverse="other", followed=True)
    assert not _asked("failover", leads=True, subscribed=True)


@pytest.mark.parametrize("operation", ["clean", "abandon"])
def test_what_touches_the_servers_alone_asks_for_nothing(operation):
    assert not _asked(operation, leads=False, subscribed=True)
