"""Which data a base backup may replace without a confirmation."""

from __future__ import annotations

import pytest

from pgnb.physical.data_directory import DataDirectory, classify

OURS = "7711114470033730094"
CLUSTER = (
    "kind=cluster\nversion=17\nused_kb=2048\nuser_files=0\nlarge_objects=0\ntablespaces=0\n"
    f"system_identifier={OURS}\n"
)
FOREIGN = f"{CLUSTER}state=shut down".replace(OURS, "1")


def state(text: str) -> DataDirectory:
    return DataDirectory.of(text)


@pytest.mark.parametrize(
    ("text", "kind", "disposable"),
    [
        ("kind=absent", "empty", True),
        ("kind=empty", "empty", True),
        ("kind=other\nentries=photos letters", "unknown", False),
        ("kind=file", "unknown", False),
        ("kind=unreadable", "unknown", False),
        ("", "unknown", False),
        (CLUSTER + "signal=yes\nstate=in archive recovery", "own standby", True),
        (CLUSTER + "state=shut down in recovery", "own standby", True),
        # A base backup that was never started still has its primary's state.
        (CLUSTER + "signal=yes\nbackup_label=yes\nstate=in production", "own standby", True),
        # A fenced primary has standby.signal, too; only it may have its rows.
        (CLUSTER + "signal=yes\nstate=shut down", "unknown", False),
        (CLUSTER + "state=in production", "unknown", False),
        (FOREIGN, "fresh", True),
        (FOREIGN.replace("user_files=0", "user_files=3"), "unknown", False),
        (FOREIGN.replace("objects=0", "objects=1"), "unknown", False),
        (FOREIGN.replace("spaces=0", "spaces=1"), "unknown", False),
        ("kind=absent\nnew=yes\nold=yes", "interrupted", True),
        ("kind=other\nphase=in\nnew=yes\nold=yes", "interrupted", True),
        # A copy that was killed: the data directory itself was not touched.
        ("kind=absent\nnew=yes", "empty", True),
    ],
)
def test_only_what_is_worth_nothing_is_disposable(text: str, kind: str, disposable: bool) -> None:
    verdict = classify(state(text), OURS)
    assert (verdict.kind, verdict.disposable) == (kind, disposable)


def test_the_words_say_what_is_there() -> None:
    words = classify(state(CLUSTER.replace(OURS, "42").replace("user_files=0", "user_files=3")), OURS).summary
    assert "system identifier 42" in words
    assert "3 files of user relations" in words
    assert "2.0 MB" in words


def test_numbers_of_the_volume() -> None:
    found = state("kind=cluster\nfree_kb=1024\ntools=17\nwritable=no, /data belongs to 0:0 (755)")
    assert found.free_bytes == 1024 * 1024
    assert found.tools == 17
    assert found.writable == "/data belongs to 0:0 (755)"
    assert state("kind=empty\ntools=\nwritable=yes").tools == 0
    assert state("writable=yes").writable == ""
