"""Log files, log options, the Status at the end of an exec, back-off."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.node.api_errors import container_name
from pgnb_rehearsal.node.backoff import FORGOTTEN_AFTER, MOUNT_FIRST, MOUNT_MOST, BackOff, spelled
from pgnb_rehearsal.node.execution import encoded, ended, not_executed
from pgnb_rehearsal.node.logfiles import LogReader, Selection, last_text
from pgnb_rehearsal.node.logs import log_path, options
from pgnb_rehearsal.node.states import ContainerState, Running, Terminated, Waiting

POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}, {"name": "b"}]}}
ONE = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}], "initContainers": [{"name": "i"}]}}
_EXEC = Path(__file__).parents[2] / "data" / "real-kubernetes" / "exec.json"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "0.log"
    lines = [f"2026-01-01T00:00:0{n}.000000000Z stdout F line {n}\n" for n in range(5)]
    path.write_text("".join(lines) + "2026-01-01T00:00:05.000000000Z stderr P half\n")
    return path


def _read(path: Path, selection: Selection) -> str:
    with LogReader(path, selection) as reader:
        return b"".join(iter(reader.read, b"")).decode()


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        (Selection(), "line 0\nline 1\nline 2\nline 3\nline 4\nhalf"),
        (Selection(tail=2), "line 4\nhalf"),
        (Selection(tail=0), ""),
        (Selection(tail=100), "line 0\nline 1\nline 2\nline 3\nline 4\nhalf"),
        (Selection(since="2026-01-01T00:00:04.000000000Z"), "line 4\nhalf"),
        (Selection(tail=2, timestamps=True), None),
    ],
)
def test_which_lines(log: Path, selection: Selection, wanted: str | None) -> None:
    stamped = "2026-01-01T00:00:04.000000000Z line 4\n2026-01-01T00:00:05.000000000Z half"
    assert _read(log, selection) == (stamped if wanted is None else wanted)


def test_a_log_that_grows(log: Path) -> None:
    with LogReader(log, Selection(tail=0)) as reader, log.open("a") as file:
        assert reader.read() == b""
        file.write("2026-01-01T00:00:06.000000000Z stdout F wh")
        file.flush()
        assert reader.read() == b""
        file.write("ole\n")
        file.flush()
        assert reader.read() == b"whole\n"


def test_the_last_lines_of_a_long_log(tmp_path: Path) -> None:
    path = tmp_path / "long.log"
    with path.open("w") as file:
        for number in range(60_000):
            file.write(f"2026-01-01T00:00:00.000000000Z stdout F line {number:06d} {'x' * 20}\n")
    assert path.stat().st_size > 3 * 1 << 20
    shown = _read(path, Selection(tail=30_000)).splitlines()
    assert (len(shown), shown[0][:11], shown[-1][:11]) == (30_000, "line 030000", "line 059999")


def test_the_last_text(log: Path, tmp_path: Path) -> None:
    assert last_text(log, 2, 6) == "4\nhalf"
    assert last_text(tmp_path / "none", 2, 6) == ""


def test_options() -> None:
    wanted = options(ONE, {"tailLines": "3", "follow": "true", "limitBytes": "9", "timestamps": "1"})
    assert (wanted.container, wanted.follow, wanted.previous, wanted.limit) == ("a", True, False, 9)
    assert wanted.selection == Selection(3, "", True)


def test_since() -> None:
    moment = options(ONE, {"sinceTime": "2026-01-01T09:00:00+09:00"}).selection.since
    assert moment == "2026-01-01T00:00:00.000000000Z"
    recent = datetime.fromisoformat(options(ONE, {"sinceSeconds": "60"}).selection.since)
    assert abs(datetime.now(UTC) - timedelta(seconds=60) - recent) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("query", "code", "text"),
    [
        ({"tailLines": "-1"}, 422, "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ({"limitBytes": "0"}, 422, "limitBytes: Invalid value: 0: must be greater than 0"),
        ({"sinceSeconds": "0"}, 422, "sinceSeconds: Invalid value: 0: must be greater than 0"),
        ({"sinceSeconds": "1", "sinceTime": "2026-01-01T00:00:00Z"}, 422, "at most one of"),
        ({"tailLines": "x"}, 400, 'parsing "x": invalid syntax'),
        ({"follow": "maybe"}, 400, 'parsing "maybe": invalid syntax'),
        ({"sinceTime": "yesterday"}, 400, 'parsing time "yesterday"'),
        ({"container": "no"}, 400, "container no is not valid for pod p"),
    ],
)
def test_options_that_are_refused(query: dict[str, str], code: int, text: str) -> None:
    with pytest.raises(StatusError) as error:
        options(ONE, query)
    assert error.value.code == code
    assert text in str(error.value)


def test_which_container() -> None:
    assert container_name(ONE, "") == "a"
    assert container_name(ONE, "i") == "i"
    with pytest.raises(StatusError, match=r"choose one of: \[a b\]$"):
        container_name(POD, "")
    two = {**POD, "spec": {**POD["spec"], "initContainers": [{"name": "i"}]}}  # type: ignore[dict-item]
    with pytest.raises(StatusError, match=r"choose one of: \[a b\] or one of the init containers: \[i\]$"):
        container_name(two, "")


def _path(name: str, run: int) -> Path:
    return Path(f"{name}/{run}.log")


def test_which_log() -> None:
    end = Terminated(1, "Error", "", "", "")
    running = ContainerState({"name": "a"}, state=Running(""), last=end, runs=3)
    assert log_path(ONE, running, options(ONE, {}), _path) == Path("a/2.log")
    assert log_path(ONE, running, options(ONE, {"previous": "true"}), _path) == Path("a/1.log")


@pytest.mark.parametrize(
    ("state", "query", "text"),
    [
        (
            ContainerState({"name": "a"}, state=Waiting("ErrImagePull")),
            {},
            'container "a" in pod "p" is waiting to start: ErrImagePull',
        ),
        (None, {}, 'container "a" in pod "p" is waiting to start: ContainerCreating'),
        (
            ContainerState({"name": "a"}, state=Running(""), runs=1),
            {"previous": "true"},
            'previous terminated container "a" in pod "p" not found',
        ),
    ],
)
def test_a_log_that_is_not_there(state: ContainerState | None, query: dict[str, str], text: str) -> None:
    with pytest.raises(StatusError) as error:
        log_path(ONE, state, options(ONE, query), _path)
    assert (error.value.code, str(error.value)) == (400, text)


def _recorded(what: str, version: str) -> dict[str, Any]:
    for entry in json.loads(_EXEC.read_text()):
        if entry["what"] == what and entry["offered"] == [f"{version}.channel.k8s.io"]:
            last = [frame for frame in entry["frames"] if frame.get("channel") == 3]
            return dict(json.loads(last[0]["payload"]))
    raise LookupError(what)


@pytest.mark.parametrize("version", ["v4", "v5"])
def test_the_status_of_a_command(version: str) -> None:
    v5 = version == "v5"
    command = ("sh", "-c", "echo out; echo err >&2; exit 3")
    assert ended(3, command, v5=v5) == _recorded("exit 3, out and err", version)
    assert ended(137, ("sh", "-c", "kill -9 $$"), v5=v5) == _recorded("killed by a signal", version)
    assert ended(0, ("true",), v5=v5) == _recorded("exit 0", version)
    missing = _recorded("command that is not there", version)
    why = missing["details"]["causes"][0]["message"].partition("error executing command in container: ")[2]
    assert not_executed(why, nested=v5) == missing


def test_json_as_go_writes_it() -> None:
    assert encoded({"a": "x > y && é", "b": 1}) == '{"a":"x \\u003e y \\u0026\\u0026 é","b":1}'.encode()


def test_restarts_are_spaced_out_and_forgiven() -> None:
    back_off = BackOff()
    assert [back_off.pause() for _ in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]
    assert back_off.pause(lasted=FORGOTTEN_AFTER) == 0
    assert back_off.pause(lasted=FORGOTTEN_AFTER - 1) == 10


def test_mounts_are_tried_again_soon() -> None:
    back_off = BackOff(MOUNT_FIRST, MOUNT_MOST, at_once=False)
    pauses = [back_off.pause() for _ in range(10)]
    assert pauses[:6] == [0.5, 1, 2, 4, 8, 16]
    assert pauses[-1] == MOUNT_MOST


@pytest.mark.parametrize(("seconds", "text"), [(10, "10s"), (80, "1m20s"), (300, "5m0s")])
def test_seconds_as_go_spells_them(seconds: float, text: str) -> None:
    assert spelled(seconds) == text
