"""Servers unlike the sample: images, sidecars, where configuration stands (A9; R1, R2, R7)."""

from __future__ import annotations

import pytest

from pgnb.core.errors import PodError
from tests.real.place import STOPPED_LATER, Place
from tests.real.servers import (
    PRIMARY,
    STANDBY,
    configured_by_its_start,
    plain,
    with_deaf_sidecar,
)
from tests.real.settings import GLIBC_IMAGE, MUSL_IMAGE

GRACE = 60
SWITCHOVER = {"operation": "switchover", "allow_promotion": True}
REJOIN = {
    "operation": "rejoin",
    "allow_rejoin": True,
    "primary": PRIMARY,
    "discard_diverged": PRIMARY,
    "wipe_standby_data": PRIMARY,
}


def test_an_image_that_starts_as_root_gives_its_role_away_and_comes_back(place: Place) -> None:
    """Its passfile belongs to the server's processes, not to the root that starts them."""
    place.start_primary(plain)
    pod = place.cluster.pod(f"app={PRIMARY}")
    uids = place.cluster.exec(pod, ["sh", "-c", "id -u; stat -c %u /proc/1"]).text.split()
    if uids[0] != "0" or uids[1] == "0":
        pytest.skip(f"the image starts as user {uids[0]}, its server runs as {uids[1]}: not root and another")
    place.start(STANDBY, plain)
    place.passes("02")
    place.passes("03", wipe_standby_data=STANDBY)
    place.passes("09", **SWITCHOVER)
    assert place.psql(STANDBY, "SELECT pg_is_in_recovery()") == "f"
    assert place.psql(PRIMARY, "SELECT status FROM pg_stat_wal_receiver") == "streaming"


def test_a_sidecar_that_ignores_its_end_does_not_prolong_a_switchover(place: Place) -> None:
    """The notebook's own verdict holds the gap of a client's writes against half of the grace period."""
    place.start_primary(with_deaf_sidecar(GRACE))
    place.passes("02", "03")
    place.passes("09", **SWITCHOVER, longest_gap=GRACE / 2)
    assert place.psql(STANDBY, "SELECT pg_is_in_recovery()") == "f"


def test_a_rule_is_not_written_where_the_next_pod_would_not_find_it(place: Place) -> None:
    place.start_primary(configured_by_its_start)
    place.stops("02", "does not outlive the pod", "emptyDir at /conf")


def test_a_standby_of_another_c_library_is_refused_before_the_copy(place: Place) -> None:
    for name, image in ((PRIMARY, GLIBC_IMAGE), (STANDBY, MUSL_IMAGE)):
        try:
            place.start(name, plain, image)
        except PodError as refused:
            pytest.skip(f"{image} is not to be had here: {refused.found}")
    place.passes("02")
    place.stops("03", "C library", status=STOPPED_LATER)
    # Its data are its own still: it was stopped for the passfile only.
    place.cluster.scale_and_wait(place.cluster.find_workload("Deployment", STANDBY), 1)
    assert place.psql(STANDBY, "SELECT pg_is_in_recovery()") == "f"
