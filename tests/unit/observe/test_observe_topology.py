"""What a topology says is wrong."""

from __future__ import annotations

from pgnb.observe.topology import Link, Node, Topology, words

PRIMARY = Node("primary", "primary", "17.1", 1, "7", "10.0.0.5")
STANDBY = Node("standby", "standby", "17.1", 1, "7", "10.0.0.6")
LINK = Link("primary", "standby", "async_replica", "10.0.0.6", "streaming", "async", "replica_slot", 0)


def seen(*nodes: Node, links: tuple[Link, ...] = ()) -> Topology:
    return Topology("here", nodes, links)


def test_all_is_well() -> None:
    well = seen(PRIMARY, STANDBY, links=(LINK,))
    assert well.troubles == ()
    assert well.finding == "standby follows primary"
    assert "0 B behind (idle)" in str(well)


def test_two_primaries_are_the_first_thing_said() -> None:
    both = seen(PRIMARY, Node("old", "primary", "17.1", 1, "7"), STANDBY, links=(LINK,))
    assert both.finding.startswith("2 servers accept writes")


def test_an_unrelated_server_is_noticed() -> None:
    unrelated = Node("standby", "standby", "17.1", 1, "8")
    assert "system identifiers differ" in seen(PRIMARY, unrelated).finding


def test_another_timeline_is_noticed() -> None:
    ahead = Node("standby", "standby", "17.1", 2, "7")
    assert "standby is on timeline 2, primary on 1" in seen(PRIMARY, ahead, links=(LINK,)).troubles


def test_an_unused_slot_says_what_it_keeps() -> None:
    slot = Link("primary", "", slot="old", retained=3 * 1024**3, wal_status="reserved")
    assert seen(PRIMARY, links=(slot,)).finding == "Slot old keeps 3.0 GB of WAL without a consumer"
    lost = Link("primary", "", slot="old", wal_status="lost")
    assert seen(PRIMARY, links=(lost,)).finding == "Slot old is lost"


def test_a_primary_alone_and_one_with_strangers() -> None:
    assert seen(PRIMARY).finding == "primary runs alone"
    stranger = Link("primary", "", "pg_receivewal", "10.9.9.9", "streaming")
    assert "1 client(s), none of them" in seen(PRIMARY, links=(stranger,)).finding
    assert "10.9.9.9" in str(seen(PRIMARY, links=(stranger,)))
    assert seen().finding == "No server was found"
    assert seen(STANDBY).finding.startswith("No server accepts writes")


def test_words_name_bytes_and_seconds() -> None:
    behind = Link("p", "s", "a", "", "catchup", "async", "", 2048, 1.5)
    assert words(behind) == "a: catchup async, 2.0 kB behind (1.5 s), no slot"
