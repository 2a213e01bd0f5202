"""What a set-up asks of the API server, known beforehand: it is refused before any server is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pgnb.cluster import Right
from pgnb.logical.capacity import worker_settings
from pgnb.logical.schema import DUMP_RIGHTS, uncopied
from pgnb.logical.specs import DatabaseSpec
from pgnb.postgres import Server
from pgnb.postgres.config.restart import restart_rights
from pgnb.postgres.roles import role_rights

_CLIENT = "to measure the restart from a client's side"
_CLIENT_RIGHTS = (Right("create", "pods", why=_CLIENT), Right("delete", "pods", why=_CLIENT))


def set_up_rights(
    publisher: Server, subscriber: Server, databases: Sequence[str], *, secret: str, allow_restart: bool
) -> list[Right]:
    """The rights that replicating these databases takes, as far as something is still to be done.

    `secret`: the Secret with the replicating role's password, where the set-up makes that role.
    `allow_restart`: whether a server is restarted where a setting waits for it.
    """
    if not publisher.present:
        return []
    specs = [DatabaseSpec.of(database) for database in databases]
    rights = list(DUMP_RIGHTS) if uncopied(subscriber, specs) else []
    rights += role_rights(publisher, secret) if secret else []
    rights += _restarts(publisher, subscriber, specs) if allow_restart and specs else ()
    return list({(right.verb, right.resource, right.name): right for right in rights}.values())


def _restarts(publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec]) -> Iterator[Right]:
    """Each of these settings takes a restart; the publisher's is measured by a client in a pod."""
    needs = worker_settings(publisher, subscriber, specs)
    if publisher.settings(needs.publisher).unmet:
        yield from (*restart_rights(publisher), *_CLIENT_RIGHTS)
    if subscriber.present and subscriber.settings(needs.subscriber).unmet:
        yield from restart_rights(subscriber)
