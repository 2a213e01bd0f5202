"""LSN arithmetic, and how a standby's progress reads."""

from __future__ import annotations

import pytest

from pgnb.core.errors import ParameterError
from pgnb.postgres.progress import Replay, lsn_bytes, lsn_diff, lsn_text


@pytest.mark.parametrize(
    ("lsn", "position"),
    [("0/0", 0), ("0/16B3748", 0x16B3748), ("16/B374D848", 0x16B374D848), ("FFFFFFFF/FFFFFFFF", 2**64 - 1)],
)
def test_there_and_back(lsn: str, position: int) -> None:
    assert lsn_bytes(lsn) == position
    assert lsn_text(position) == lsn


@pytest.mark.parametrize("text", ["", "0", "0/", "0/G", "123456789/0", "0/1 ", "0/1\n", "-1/0"])
def test_no_lsn(text: str) -> None:
    with pytest.raises(ParameterError, match="not an LSN"):
        lsn_bytes(text)


def test_a_difference_crosses_the_slash() -> None:
    assert lsn_diff("1/0", "0/FFFFFFF0") == 16
    assert lsn_diff("0/FFFFFFF0", "1/0") == -16


def test_progress_says_what_holds_it_up() -> None:
    stuck = Replay(True, "0/3000000", "0/2000000", "paused", None)
    assert not stuck.reached("0/3000000")
    assert stuck.reached("0/2000000")
    assert stuck.describe("0/3000000") == (
        "replayed 0/2000000, 16.0 MB left, received 0/3000000, receiver not seen, replay paused"
    )
    assert Replay(True, None, None, "not paused", None).describe("0/1").startswith("nothing replayed yet")
