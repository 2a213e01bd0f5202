"""Packets with file descriptors."""

from __future__ import annotations

import os

from pgnb_rehearsal.pods import messages


def test_descriptors_arrive_open_and_close_on_exec() -> None:
    ours, theirs = messages.pair()
    reader, writer = os.pipe()
    with ours, theirs:
        messages.send(ours, {"id": 1}, [writer])
        os.close(writer)
        received = messages.receive(theirs)
        assert received is not None
        message, (copy,) = received
        assert message == {"id": 1}
        assert not os.get_inheritable(copy)
        os.write(copy, b"x")
        assert os.read(reader, 1) == b"x"
        os.close(copy)
        os.close(reader)


def test_the_end_of_the_other_side() -> None:
    ours, theirs = messages.pair()
    ours.close()
    with theirs:
        assert messages.receive(theirs) is None


def test_details_of_any_size() -> None:
    details = {"env": {"LARGE": "ü" * 1_000_000}}
    assert messages.read_details(messages.details_file(details)) == details
