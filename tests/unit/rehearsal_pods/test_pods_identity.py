"""ID maps of the wrapper."""

from __future__ import annotations

import pytest

from pgnb_rehearsal.pods import identity

WHOLE = "         0          0 4294967295\n"


def test_an_ordinary_user_maps_only_himself() -> None:
    assert identity.wrapper_map(1000, None) == "0 1000 1\n"


def test_root_maps_one_more() -> None:
    assert identity.wrapper_map(0, 100_000) == "0 0 1\n1 100000 1\n"


def test_root_maps_many_where_many_are_wanted() -> None:
    assert identity.wrapper_map(0, 100_000, many=True) == "0 0 1\n1 100000 69631\n"


@pytest.mark.parametrize(
    ("euid", "uid_map", "first"),
    [(0, WHOLE, 100_000), (1000, WHOLE, None), (0, "0 0 1\n1 100000 65536\n", None)],
)
def test_who_can_map_many(
    euid: int, uid_map: str, first: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: euid)
    monkeypatch.setattr(identity, "_uid_map", lambda: uid_map)
    assert identity.first_of_many() == first


@pytest.mark.parametrize("number", [0, 999, 65_534, 1_000_660_000])
def test_each_user_of_a_container_has_a_place_that_is_nobody_elses(number: int) -> None:
    assert 1 <= identity.place(number) <= 69_631
    assert identity.place(number) not in {identity.place(other) for other in (1, 70, 1001) if other != number}


@pytest.mark.parametrize(
    ("euid", "uid_map", "foreign"),
    [
        (1000, WHOLE, None),
        (0, WHOLE, 100_000),
        (0, "0 1000 1\n1 100000 65536\n", 65_536),
        (0, "0 0 1\n1 524288 200000\n", 100_000),
        (0, "0 1000 1\n", None),
    ],
)
def test_who_containers_are(
    euid: int, uid_map: str, foreign: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(identity.MARK, raising=False)
    monkeypatch.setattr("os.geteuid", lambda: euid)
    monkeypatch.setattr(identity, "_uid_map", lambda: uid_map)
    assert identity.foreign_id() == foreign
    assert identity.container_id() == (euid if foreign is None else foreign)
    assert identity.container_id_in_wrapper() == (0 if foreign is None else 1)


@pytest.mark.parametrize(("uid_map", "owner"), [("0 0 1\n1 100000 1\n", 1), ("0 1000 1\n", 0)])
def test_who_containers_are_inside(uid_map: str, owner: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(identity.MARK, "1")
    monkeypatch.setattr(identity, "_uid_map", lambda: uid_map)
    assert identity.container_id() == identity.container_id_in_wrapper() == owner
