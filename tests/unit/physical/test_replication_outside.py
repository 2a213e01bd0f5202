"""Places of a standby's pg_wal and tablespaces: path, emptiness and room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pgnb.cluster import ExecResult, Pod, Workload
from pgnb.core.errors import ParameterError
from pgnb.physical import scripts
from pgnb.physical.claims import new_mounts, volumes_apart
from pgnb.physical.data_directory import DataDirectory
from pgnb.physical.outside import (
    Layout,
    Outside,
    Place,
    left_by_earlier,
    mapped,
    on_other_claims,
    place_checks,
)
from pgnb.physical.target import Target, inspect

DATA = "/data/pgdata"
GIB = 1 << 30


def pod_with(owner: str, mounts: dict[str, dict[str, str]]) -> Pod:
    """A pod with a claim at each path, named by its last word and its owner."""
    paths = [(f"{owner}-{path.rpartition('/')[2]}", path) for path in mounts]
    container = {
        "name": "db",
        "image": "postgres:17",
        "volumeMounts": [{"name": name, "mountPath": path, **mounts[path]} for name, path in paths],
    }
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name, _ in paths]
    spec = {"containers": [container], "volumes": volumes}
    return Pod.of({"metadata": {"name": owner, "uid": owner}, "spec": spec})


def layout(
    *spaces: str, mounts: tuple[str, ...] = (), mapping: dict[str, str] | None = None, **more: dict[str, str]
) -> Layout:
    primary: Any = SimpleNamespace(pod=pod_with("primary", {}), fetch_one=lambda _: {"wal_bytes": 5 * GIB})
    pod = pod_with("standby", {"/data": {}, **{path: more.get(path.strip("/"), {}) for path in mounts}})
    mount = pod.mount_of(DATA)
    assert mount is not None
    target = Target(Workload("Deployment", "s", 0, "Recreate", "", (), {}), pod, DATA, mount)
    outside = tuple(Outside(path.replace("/", "_"), path, GIB) for path in spaces)
    return Layout(primary, target, outside, mapped(outside, mapping or {}))


def bases(found: Layout, *links: str, wal: str = "") -> list[str]:
    text = f"outside={', '.join(links)}\n" + (f"wal={wal}\n" if wal else "")
    return [place.base for place in found.places(DataDirectory.of(text))]


def test_a_suffix_of_an_earlier_base_backup_goes() -> None:
    assert bases(layout("/ts/a.2", mounts=("/ts",)), "/ts/a.2") == ["/ts/a"]
    assert bases(layout("/ts/a.2", mounts=("/ts",)), "/ts/a") == ["/ts/a"]
    assert bases(layout(mounts=("/wal",)), "/wal/pg_wal.3", wal="/wal/pg_wal.3") == ["/wal/pg_wal"]


def test_a_name_that_only_looks_like_that_stays() -> None:
    assert bases(layout("/ts/a.2", mounts=("/ts",))) == ["/ts/a.2"]
    assert bases(layout("/ts.2", mounts=("/ts.2",)), "/ts.2/tablespace") == ["/ts.2/tablespace"]
    assert bases(layout("/ts.2", mounts=("/ts.2",)), "/ts.2") == ["/ts.2/tablespace"]
    assert bases(layout("/m/ts", "/m/ts.2", mounts=("/m",)), "/m/ts", "/m/ts.2") == ["/m/ts", "/m/ts.2"]
    told = layout("/ts/a", mounts=("/other",), mapping={"/ts/a": "/other/a.2"})
    assert bases(told, "/other/a.2") == ["/other/a.2"]


def test_a_path_does_not_lose_its_suffix_to_another_mount() -> None:
    assert bases(layout("/m/ts.2", mounts=("/m", "/m/ts")), "/m/ts.2") == ["/m/ts.2"]


def test_wal_that_only_the_standby_has_apart_has_the_size_of_the_primarys() -> None:
    (place,) = layout(mounts=("/wal",)).places(DataDirectory.of("wal=/wal/pg_wal\n"))
    assert place.outside.size == 5 * GIB


def test_a_directory_that_varies_by_pod_is_no_place_since_no_helper_has_it() -> None:
    varying = layout("/ts/a", mounts=("/ts",), ts={"subPathExpr": "$(POD_NAME)"})
    with pytest.raises(ParameterError, match="differs from pod to pod"):
        varying.places(None)
    assert "/ts" not in varying.target.helper("look", (), uid=999, gid=999).claims


def inspected(data: Path, *places: str, user: int | None = None) -> DataDirectory:
    def run(argv: Sequence[str], *, timeout: float) -> ExecResult:
        done = subprocess.run(argv, capture_output=True, check=True, user=user, timeout=timeout)
        return ExecResult(tuple(argv), done.stdout, done.stderr, done.returncode, 0.0)

    return inspect(run, str(data), str(data.parent), "", lambda _leads: places)


def test_no_two_places_are_the_same(tmp_path: Path) -> None:
    data, space = tmp_path / "pgdata", tmp_path / "ts"
    (data / "pg_tblspc").mkdir(parents=True)
    (data / "pg_tblspc" / "16384").symlink_to(space)
    found = inspected(data, str(space), f"{space}.2", str(space)).found
    assert [found[f"place_{n}"] for n in (1, 2, 3)] == [f"{space}.2", f"{space}.2.2", f"{space}.3"]


@pytest.mark.parametrize("link", ["../wal", "{}/wal/", "{}//x/.././wal", "{}/x/y/../../wal", "./../wal/."])
def test_a_link_is_read_as_a_whole_path(tmp_path: Path, link: str) -> None:
    data = tmp_path / "pgdata"
    (data / "global").mkdir(parents=True)
    for name in ("PG_VERSION", "global/pg_control"):
        (data / name).write_text("17")
    (data / "pg_wal").symlink_to(link.format(tmp_path))
    found = inspected(data, f"{tmp_path}/wal").found
    assert (found["wal"], found["outside"]) == (f"{tmp_path}/wal", f"{tmp_path}/wal")
    assert found["place_1"] == f"{tmp_path}/wal.2"


@pytest.mark.parametrize("old", ["pgdata.pgnb-old", "pgdata/.pgnb-old"])
def test_wal_that_a_relative_link_leads_to_goes_with_its_directory(tmp_path: Path, old: str) -> None:
    data, wal = tmp_path / "pgdata", tmp_path / "wal"
    for directory in (data, tmp_path / old, wal):
        directory.mkdir()
    (tmp_path / old / "pg_wal").symlink_to("../wal")
    (wal / "000000010000000000000001").write_text("")
    argv = scripts.argv(
        "outside",
        "clear",
        "discard",
        args=(str(data), str(tmp_path / old)),
    )
    subprocess.run(argv, check=True)
    assert not wal.exists()


def places(*claims: str) -> list[Place]:
    return [Place(Outside(f"t{n}", f"/{n}", GIB), f"/{n}", claim) for n, claim in enumerate(claims, 1)]


def test_places_on_one_claim_share_its_room() -> None:
    kb = GIB // 1024
    two = "\n".join(f"place_{n}=/{n}\nplace_{n}_free_kb={{}}\nplace_{n}_ours_kb={{}}" for n in (1, 2))
    for free, ours, enough in ((kb * 3 // 2, 0, False), (kb * 3, 0, True), (kb * 3 // 2, kb // 2, True)):
        state = DataDirectory.of(two.format(free, ours, free, ours))
        checks = {check.name: check for check in place_checks(places("ts", "ts"), state, 1.1, "data")}
        assert checks["room on claim ts"].ok == enough
        alone = place_checks(places("ts", "other"), state, 1.1, "data")
        assert all(check.ok for check in alone)


def test_what_lies_on_the_datas_claim_counts_with_the_data() -> None:
    mixed = places("data", "ts")
    state = DataDirectory.of("place_1=/1\nplace_1_ours_kb=7\nplace_2=/2\nplace_2_ours_kb=9\n")
    assert on_other_claims(mixed, "data") == GIB
    assert left_by_earlier(mixed, state, "data") == 7 * 1024
    assert "room on claim data" not in [check.name for check in place_checks(mixed, state, 1.1, "data")]


def test_room_of_many_terabytes_is_read() -> None:
    state = DataDirectory.of("place_1=/1\nplace_1_free_kb=2277490000\nplace_1_ours_kb=4294967296\n")
    assert all(check.ok for check in place_checks(places("ts"), state, 1.1, "data"))


def test_each_refusal_has_its_own_remedy(tmp_path: Path) -> None:
    there = tmp_path / "ts"
    (there / "somebody's").mkdir(parents=True)
    state = inspected(tmp_path / "pgdata", str(there))
    (refused,) = [c for c in place_checks(places("ts"), state, 0, "data") if c.stops]
    assert str(refused.found) == f"{there} is not empty: somebody's"
    assert "remove them" in refused.remedy

    user = 65534 if os.getuid() == 0 else None
    state = inspected(Path("/usr/no/pgdata"), "/usr/no/ts", user=user)
    (refused,) = [c for c in place_checks(places("ts"), state, 0, "data") if c.stops]
    assert "/usr belongs to 0:0" in str(refused.found)
    assert "fsGroup" in refused.remedy


def test_inspect_writes_whole_numbers_however_much_room_there_is(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    df = tmp_path / "bin" / "df"
    df.write_text("#!/bin/sh\necho header\necho /dev/sda 9999999999 1 2277490000 1% /\n")
    df.chmod(0o755)
    place = tmp_path / "ts"
    (place / "PG_17_202406281").mkdir(parents=True)
    (tmp_path / "pgdata.pgnb-new.places").write_text(f"{place}\n")
    argv = scripts.argv(
        "libc",
        "outside",
        "inspect",
        args=(str(tmp_path / "pgdata"), str(tmp_path), "", str(place)),
    )
    environment = {**os.environ, "PATH": f"{df.parent}:{os.environ['PATH']}"}
    text = subprocess.run(argv, capture_output=True, text=True, check=True, env=environment).stdout
    assert DataDirectory.of(text).found["place_1_free_kb"] == "2277490000"


def claimed(
    *paths: str, mounts: tuple[str, ...], mapping: dict[str, str] | None = None, there: str = ""
) -> list[str]:
    """Where a standby gets claims, of a primary with these mounts beside its data's."""
    pod = pod_with("primary", {path: {} for path in ("/data", *mounts)})
    outside = [Outside(f"t{number}", path, GIB) for number, path in enumerate(paths)]
    volumes = volumes_apart(pod, DATA, outside)
    return list(new_mounts("/data", volumes, mapping or {}, there.split()))


def test_a_volume_below_the_datas_or_below_another_one_gets_a_claim() -> None:
    assert claimed("/data/ts/a", mounts=("/data/ts",)) == ["/data/ts"]
    assert claimed("/ts/a", "/ts/big/b", mounts=("/ts", "/ts/big")) == ["/ts", "/ts/big"]
    assert claimed("/ts/a", "/ts/big/b", mounts=("/ts", "/ts/big"), there="/ts") == ["/ts/big"]


def test_no_claim_where_none_is_needed() -> None:
    assert claimed("/data/ts", mounts=()) == []
    assert claimed("/ts/a", "/ts/b", mounts=("/ts",)) == ["/ts"]
    assert claimed("/ts/a", mounts=("/ts",), there="/ts") == []
    assert claimed(f"{DATA}/ts/a", mounts=(f"{DATA}/ts",)) == []
    told = {"/ts/a": "/data/a", "/ts/b": "/wal/b", "/ts/c": "/other"}
    paths = ("/ts/a", "/ts/b", "/ts/c", "/wal/pg_wal")
    assert claimed(*paths, mounts=("/ts", "/wal"), mapping=told) == ["/wal", "/other"]
