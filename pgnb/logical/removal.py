"""Dropping subscriptions together with their slots, the publisher alive."""

from __future__ import annotations

from collections.abc import Sequence

from pgnb.core.parallel import map_parallel, run_all
from pgnb.core.plan import Change, Confirmation, Step
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.subscription import read_subscriptions
from pgnb.logical.targets import databases_of
from pgnb.postgres import Server, compose, identifier


def plan_drop_subscriptions(publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec]) -> Change:
    """The plan that drops the specs' subscriptions and, through them, their slots on the publisher.

    The rows stay on the subscriber. Asks for `drop_subscriptions` with the names, joined by commas. For a
    publisher that is dead see 12.10.
    """
    there = databases_of(subscriber)
    found = map_parallel(
        lambda spec: (spec, read_subscriptions(subscriber, spec.database).get(spec.subscription)),
        [spec for spec in specs if spec.database in there],
    )
    standing = [(spec, now) for spec, now in found if now is not None]
    names = ", ".join(now.name for _, now in standing)
    title = f"drop subscriptions on {subscriber.name}"

    def run() -> str:
        run_all(lambda spec: _drop(subscriber, spec), [spec for spec, _ in standing], lambda s: s.database)
        return f"{len(standing)} dropped"

    steps = [Step(subscriber.name, f"DROP SUBSCRIPTION {names}", run, journalled=True)] if standing else []
    why = f"What is written on {publisher.name} from then on does not arrive; a new subscription copies anew."
    return Change(
        title,
        subscriber.journal,
        "".join(f"{s.database}: {now.summary}\n" for s, now in standing),
        "",
        steps,
        confirmations=[Confirmation("drop_subscriptions", names, why)] if standing else (),
    )


def _drop(subscriber: Server, spec: DatabaseSpec) -> None:
    subscriber.execute(
        compose("DROP SUBSCRIPTION IF EXISTS {}", identifier(spec.subscription)), database=spec.database
    )
