"""What a path asks of the API server: known beforehand, so it is refused before anything is changed."""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.cluster import Right
from pgnb.core.checks import Checks
from pgnb.logical.cutover.participants import Cutover
from pgnb.logical.cutover.reverse import way_back_settings
from pgnb.logical.cutover.status import CutoverStatus, cutover_status, unfinished
from pgnb.postgres.config.restart import restart_rights
from pgnb.postgres.roles import role_rights

_CLIENT = "to measure the time without writes from a client's side"
_CLIENT_RIGHTS = (Right("create", "pods", why=_CLIENT), Right("delete", "pods", why=_CLIENT))


def cutover_rights(cut: Cutover, *, measure: bool = False, allow_restart: bool = False) -> Checks:
    """Every right that the chosen path takes, the preparation of a way back included.

    Nothing where the path was gone already, nor on the paths that touch the servers alone. `measure`: a
    client measures; `allow_restart`: the subscriber is restarted where a way back needs it.
    """
    status = cutover_status(cut)
    rights = [*service_rights(cut, status)]
    if rights and measure and cut.path == "cutover":
        rights += _CLIENT_RIGHTS
    if rights and cut.reverse:
        rights += _way_back(cut, allow_restart=allow_restart)
    checks = Checks.of(f"May this user take the path {cut.path}?", (), cut.cluster.journal)
    return checks + cut.cluster.access_checks(rights)


def service_rights(cut: Cutover, status: CutoverStatus) -> Iterator[Right]:
    """What must not turn out to be forbidden between the stop of the writes and the Service's switch."""
    switched = status.leads and cut.path == "failover"
    if cut.path in ("cutover", "failover") and unfinished(cut, status) and not switched:
        yield Right("patch", "services", why="to lead clients to the subscriber", name=cut.service)


def _way_back(cut: Cutover, *, allow_restart: bool) -> Iterator[Right]:
    yield from role_rights(cut.subscriber, cut.secret)
    if allow_restart and cut.subscriber.settings(way_back_settings(cut)).unmet:
        yield from restart_rights(cut.subscriber)
