"""The head of the chain outside of the archive: a forged archive is found by whoever has it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pgnb.cli import main
from pgnb.core.errors import ParameterError, RecordError
from pgnb.runbook import heads, runner
from pgnb.runbook.records import Archive


@pytest.fixture
def notebook(make_notebook: Callable[..., Path]) -> Path:
    return make_notebook("finish(run)")


@pytest.fixture
def archive(notebook: Path, tmp_path: Path) -> Archive:
    archive = Archive(tmp_path / "records")
    runner.run(notebook, {"rows": 1}, archive, progress=False)
    return archive


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    public = path.with_suffix(".pub").read_text().split()
    (tmp_path / "signers").write_text(f"carol@example.com {public[0]} {public[1]}\n")
    return path


@pytest.fixture(params=["git", pytest.param("file", marks=pytest.mark.long)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "file":
        return f"file:{tmp_path / 'head'}"
    repository = tmp_path / "repository"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-C", str(repository)]
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    for name, value in (("user.name", "a"), ("user.email", "a@example.com")):
        subprocess.run([*git, "config", name, value], check=True)
    for message in ("one", "two"):
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", message], check=True)
    return f"git:{repository}"


def verify(archive: Archive, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["records", "verify", *arguments, "--records", str(archive.folder)])


def forge(archive: Archive, notebook: Path) -> None:
    """Make the whole chain anew, as somebody can who may write the folder."""
    shutil.rmtree(archive.folder)
    runner.run(notebook, {"rows": 2}, archive, progress=False)


def test_a_chain_that_was_made_anew_is_found_by_the_head_that_was_kept(
    archive: Archive, notebook: Path, place: str
) -> None:
    heads.keep(archive, place)
    runner.run(notebook, {"rows": 3}, archive, progress=False)
    whole = verify(archive, "--against", place)
    assert (whole.exit_code, f"held against {place}: record 1" in whole.output) == (0, True)
    forge(archive, notebook)
    assert verify(archive).exit_code == 0
    found = verify(archive, "--against", place)
    assert (found.exit_code, "the chain was made anew" in found.output) == (1, True)


def test_a_signature_on_the_head_says_whose_it_is(
    archive: Archive, key: Path, place: str, tmp_path: Path
) -> None:
    heads.keep(archive, place, key)
    words, fault = heads.against(archive, place, tmp_path / "signers")
    assert ("signed by carol@example.com" in words, fault) == (True, "")


def test_a_head_that_was_changed_or_never_signed_is_refused(
    archive: Archive, key: Path, tmp_path: Path
) -> None:
    place, file = f"file:{tmp_path / 'head'}", tmp_path / "head"
    heads.keep(archive, place)
    with pytest.raises(RecordError, match="nobody's in"):
        heads.against(archive, place, tmp_path / "signers")
    kept = heads.keep(archive, place, key)
    file.write_text(file.read_text().replace(kept.seal, "0" * 64))
    with pytest.raises(RecordError, match="nobody's in"):
        heads.against(archive, place, tmp_path / "signers")


def test_places_that_hold_no_head_are_said(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "head").write_text("something else")
    for place, error in (
        ("ftp:somewhere", ParameterError),
        (f"file:{tmp_path / 'missing'}", RecordError),
        (f"file:{tmp_path / 'head'}", RecordError),
        (f"git:{tmp_path}", RecordError),
    ):
        with pytest.raises(error):
            heads.against(archive, place)
    with pytest.raises(RecordError, match="no sealed record"):
        heads.keep(Archive(tmp_path / "empty"), f"file:{tmp_path / 'other'}")


def test_a_machine_without_git_is_told(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RecordError, match="no git on this machine"):
        heads.keep(archive, f"git:{tmp_path}")
