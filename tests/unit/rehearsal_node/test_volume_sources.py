"""What volumes contain, how it is written, and which modes a process meets."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.node.atomic import AtomicVolume
from pgnb_rehearsal.node.environment import ConfigError
from pgnb_rehearsal.node.volume_sources import File, MountError, Origins, payload, refers_to
from pgnb_rehearsal.node.volumes import Place, PodVolumes, effective_mode


@pytest.fixture
def store() -> Store:
    store = Store()
    store.create("namespaces", {"metadata": {"name": "ns"}})
    metadata = {"namespace": "ns", "name": "conf"}
    encoded = base64.b64encode(b"\x00\xff").decode()
    store.create("configmaps", {"metadata": metadata, "data": {"a": "text"}, "binaryData": {"b": encoded}})
    secret = {
        "metadata": {"namespace": "ns", "name": "word"},
        "data": {"p": base64.b64encode(b"s3").decode()},
    }
    store.create("secrets", secret)
    return store


def _origins(store: Store, *volumes: dict[str, Any], **spec: Any) -> Origins:
    pod = {
        "metadata": {"namespace": "ns", "name": "p", "uid": "u", "labels": {"app": "x", "b": 'q"'}},
        "spec": {"containers": [{"name": "c"}], "volumes": list(volumes), **spec},
    }
    return Origins(store, pod, {"memory": "2Gi"}, lambda namespace, account, source: f"{namespace}/{account}")


def test_a_configmap_with_text_and_bytes(store: Store) -> None:
    files = payload({"name": "v", "configMap": {"name": "conf", "defaultMode": 0o400}}, _origins(store))
    assert files == {"a": File(b"text", 0o400), "b": File(b"\x00\xff", 0o400)}


def test_items_choose_rename_and_have_modes(store: Store) -> None:
    items = [{"key": "p", "path": "deep/pass", "mode": 0o600}]
    files = payload({"name": "v", "secret": {"secretName": "word", "items": items}}, _origins(store))
    assert files == {"deep/pass": File(b"s3", 0o600)}


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "no"}}, 'configmap "no" not found'),
        ({"secret": {"secretName": "no"}}, 'secret "no" not found'),
        (
            {"configMap": {"name": "conf", "items": [{"key": "no", "path": "x"}]}},
            "configmap references non-existent config key: no",
        ),
        (
            {"secret": {"secretName": "word", "items": [{"key": "no", "path": "x"}]}},
            "references non-existent secret key: no",
        ),
        (
            {"configMap": {"name": "conf", "items": [{"key": "a", "path": "../x"}]}},
            'invalid path "../x": must stay within the volume',
        ),
    ],
)
def test_what_is_missing(store: Store, volume: dict[str, Any], message: str) -> None:
    with pytest.raises(MountError) as error:
        payload({"name": "v"} | volume, _origins(store))
    assert str(error.value) == message


def test_what_is_optional_may_be_missing(store: Store) -> None:
    absent = {"name": "v", "configMap": {"name": "no", "optional": True}}
    assert payload(absent, _origins(store)) == {}
    items = [{"key": "no", "path": "x"}]
    keyless = {"name": "v", "configMap": {"name": "conf", "optional": True, "items": items}}
    assert payload(keyless, _origins(store)) == {}


def test_a_projected_volume(store: Store) -> None:
    fields = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "mem", "resourceFieldRef": {"containerName": "c", "resource": "limits.memory"}},
    ]
    sources = [
        {"configMap": {"name": "conf", "items": [{"key": "a", "path": "a"}]}},
        {"downwardAPI": {"items": fields}},
        {"serviceAccountToken": {"path": "token"}},
    ]
    files = payload({"name": "v", "projected": {"sources": sources, "defaultMode": 0o440}}, _origins(store))
    assert files == {
        "a": File(b"text", 0o440),
        "labels": File(b'app="x"\nb="q\\""', 0o440),
        "mem": File(b"2147483648", 0o440),
        "token": File(b"ns/default", 0o440),
    }


def test_which_objects_a_volume_refers_to() -> None:
    sources = [{"configMap": {"name": "a"}}, {"secret": {"name": "b"}}]
    assert refers_to({"name": "v", "projected": {"sources": sources}}) == {
        ("configmaps", "a"),
        ("secrets", "b"),
    }
    assert refers_to({"name": "v", "secret": {"secretName": "c"}}) == {("secrets", "c")}
    assert refers_to({"name": "v", "emptyDir": {}}) == set()


@pytest.mark.parametrize(
    ("mode", "grouped", "rooted", "wanted"),
    [
        (0o644, False, False, 0o644),
        (0o600, True, False, 0o640),
        (0o400, True, False, 0o440),
        (0o600, False, False, 0o200),
        (0o400, False, False, 0o000),
        (0o600, False, True, 0o600),
        (0o755, False, False, 0o755),
    ],
)
def test_modes(mode: int, grouped: bool, rooted: bool, wanted: int) -> None:
    assert effective_mode(mode, grouped=grouped, rooted=rooted) == wanted


def test_files_change_all_at_once(tmp_path: Path) -> None:
    volume = AtomicVolume(tmp_path / "v", os.geteuid(), os.getegid())
    assert volume.show({"a": File(b"1"), "deep/b": File(b"2", 0o600)})
    before = (tmp_path / "v" / "..data").readlink()
    assert (tmp_path / "v" / "a").read_bytes() == b"1"
    assert (tmp_path / "v" / "deep" / "b").stat().st_mode & 0o777 == 0o600
    assert not volume.show({"a": File(b"1"), "deep/b": File(b"2", 0o600)})
    assert volume.show({"a": File(b"3")})
    assert (tmp_path / "v" / "..data").readlink() != before
    assert not (tmp_path / "v" / before).exists()
    assert sorted(path.name for path in (tmp_path / "v").iterdir() if not path.name.startswith("..")) == ["a"]
    assert (tmp_path / "v" / "a").read_bytes() == b"3"


def _volumes(origins: Origins, tmp_path: Path) -> PodVolumes:
    return PodVolumes(origins, Place(tmp_path / "memory", tmp_path / "disk", os.geteuid()))


def test_mounts(store: Store, tmp_path: Path) -> None:
    conf, scratch = {"name": "conf", "configMap": {"name": "conf"}}, {"name": "scratch", "emptyDir": {}}
    volumes = _volumes(_origins(store, conf, scratch), tmp_path)
    volumes.set_up()
    container = {
        "volumeMounts": [
            {"name": "conf", "mountPath": "/conf"},
            {"name": "conf", "mountPath": "/one", "subPath": "a"},
            {"name": "scratch", "mountPath": "/scratch", "subPathExpr": "$(POD)/x"},
        ]
    }
    whole, one, below = volumes.mounts(container, {"POD": "p"})
    assert (whole.source, whole.read_only) == (tmp_path / "memory" / "conf", True)
    assert one.source.read_bytes() == b"text"
    assert one.source.parent.name.startswith("..")
    assert (below.source, below.read_only) == (tmp_path / "disk" / "scratch" / "p" / "x", False)
    assert below.source.is_dir()


def test_a_refresh_reaches_the_volume_but_not_a_subpath(store: Store, tmp_path: Path) -> None:
    volumes = _volumes(_origins(store, {"name": "conf", "configMap": {"name": "conf"}}), tmp_path)
    volumes.set_up()
    mounts = [{"name": "conf", "mountPath": "/one", "subPath": "a"}]
    (one,) = volumes.mounts({"volumeMounts": mounts}, {})
    with one.source.open("rb") as held:
        store.modify("configmaps", "ns", "conf", lambda conf: conf.update(data={"a": "new"}))
        volumes.refresh("configmaps", "conf")
        assert (tmp_path / "memory" / "conf" / "a").read_bytes() == b"new"
        assert held.read() == b"text"
    store.delete("configmaps", "ns", "conf")
    volumes.refresh("configmaps", "conf")
    assert (tmp_path / "memory" / "conf" / "a").read_bytes() == b"new"


@pytest.mark.parametrize("below", ["../x", "/etc", "a/../../x"])
def test_a_subpath_stays_in_its_volume(store: Store, tmp_path: Path, below: str) -> None:
    volumes = _volumes(_origins(store, {"name": "s", "emptyDir": {}}), tmp_path)
    volumes.set_up()
    with pytest.raises(ConfigError, match="failed to prepare subPath"):
        volumes.mounts({"volumeMounts": [{"name": "s", "mountPath": "/x", "subPath": below}]}, {})


def test_a_link_does_not_lead_a_subpath_out(store: Store, tmp_path: Path) -> None:
    volumes = _volumes(_origins(store, {"name": "s", "emptyDir": {}}), tmp_path)
    volumes.set_up()
    (tmp_path / "disk" / "s" / "out").symlink_to("/etc")
    with pytest.raises(ConfigError, match="failed to prepare subPath"):
        volumes.mounts({"volumeMounts": [{"name": "s", "mountPath": "/x", "subPath": "out"}]}, {})


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"hostPath": {"path": "/"}}, "volumes of type hostPath are not offered by the rehearsal cluster"),
        ({"persistentVolumeClaim": {"claimName": "no"}}, 'persistentvolumeclaim "no" not found'),
    ],
)
def test_volumes_that_can_not_be_had(
    store: Store, tmp_path: Path, volume: dict[str, Any], message: str
) -> None:
    volumes = _volumes(_origins(store, {"name": "v"} | volume), tmp_path)
    with pytest.raises(MountError) as error:
        volumes.set_up()
    assert str(error.value) == f'MountVolume.SetUp failed for volume "v" : {message}'
