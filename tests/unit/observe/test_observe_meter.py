"""The idle meter: what it prints, and how much of a client's gap it explains."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from textwrap import indent
from time import monotonic

import pytest
import yaml

from pgnb.cluster import LogLine
from pgnb.core.wait import wait_until
from pgnb.observe.meter import Gap, Meter
from pgnb.observe.write_log import write_log_of

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
METER = (files("pgnb.observe") / "scripts" / "meter.sh").read_text(encoding="utf-8")


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


SECOND = Gap(at(0), at(1))


def line(text: str, seconds: float) -> LogLine:
    return LogLine(text, at(seconds))


def late(milliseconds: int, seconds: float) -> LogLine:
    return line(f"meter: overslept {milliseconds} ms", seconds)


def test_the_machines_share_of_a_gap_is_what_the_meter_overslept_in_it() -> None:
    meter = Meter.of([line("meter: sleeps 0", 0), late(200, 1.0), late(100, 1.5), late(50, 9)])
    gap = Gap(at(0.9), at(1.45))
    assert round(meter.share(gap), 3) == 0.15, (
        "the first sleep began before the gap, the second ended after it"
    )
    assert meter.share(Gap(at(2), at(8))) == 0
    assert meter.explain(gap) == "550 ms (150 ms of it the machine's)"
    assert meter.late_near(Gap(at(4), at(5)), timedelta(seconds=3)) == 0.1


def test_two_meters_that_wait_together_are_counted_once() -> None:
    meter = Meter.of([late(300, 1.0), late(300, 1.1)])
    assert round(meter.share(Gap(at(0), at(2))), 3) == 0.4


def test_without_a_meter_nothing_is_said_of_the_machine() -> None:
    assert Meter.of([line("1", 0)]).explain(SECOND) == "1.0 s (the machine's share was not measured)"


def test_the_meters_lines_are_neither_rows_nor_words_of_the_server() -> None:
    lines = [
        line("1", 0),
        late(900, 1),
        line("", 1.01),
        line("2", 1.02),
        line("FATAL:  gone", 1.5),
        line("3", 2),
    ]
    write_log = write_log_of("w", lines, at(2))
    assert list(write_log.ids) == [1, 2, 3]
    assert list(write_log.summary) == ["FATAL:  gone"]
    assert list(write_log.refused) == [at(1.5)]
    assert "1.0 s (900 ms of it the machine's)" in write_log.finding
    assert "late 1 times, by 900 ms at most" in str(write_log)


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_the_meter_tells_that_it_was_held_up(shell: str) -> None:
    """Held up as by a machine that has no time for it; with bash's own sleep, and with the program's."""
    with subprocess.Popen(
        [shell, "-c", METER], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as meter:
        try:
            assert meter.stdout is not None
            assert meter.stdout.readline() == "meter: sleeps 0\n"
            os.killpg(meter.pid, signal.SIGSTOP)
            held = monotonic()
            wait_until("half a second", lambda: monotonic() - held > 0.5, timeout=10)
            os.killpg(meter.pid, signal.SIGCONT)
            told = (re.match(r"meter: overslept (\d+) ms\n", text) for text in meter.stdout)
            assert any(match and int(match[1]) >= 400 for match in told)
        finally:
            os.killpg(meter.pid, signal.SIGKILL)


def test_the_sample_has_the_same_meter() -> None:
    manifest = (files("pgnb.manifests") / "sample" / "40-sample-writer.yaml").read_text(encoding="utf-8")
    script = yaml.safe_load(manifest)["spec"]["template"]["spec"]["containers"][0]["command"][-1]
    code = "".join(text for text in METER.splitlines(keepends=True) if not text.startswith("#"))
    assert indent(code, "    ") in script
