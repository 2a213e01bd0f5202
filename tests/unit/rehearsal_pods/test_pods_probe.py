"""What a failure of the namespaces is explained with."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pgnb_rehearsal.errors import RehearsalError
from pgnb_rehearsal.pods import probe


@pytest.mark.parametrize(
    ("stage", "what"),
    [
        ("user", "user namespaces cannot be made"),
        ("map", "ID map cannot be written"),
        ("namespaces", "network and PID namespaces cannot be made"),
        ("mount", "cannot be mounted in a user namespace"),
        ("proc", "/proc cannot be mounted"),
        ("network", "pods' network cannot be set up"),
    ],
)
def test_every_stage_names_what_failed_and_the_other_way(stage: str, what: str) -> None:
    error = probe.explain(stage, errno.EPERM, "Operation not permitted")
    assert isinstance(error, RehearsalError)
    assert what in error.message
    assert "Operation not permitted" in error.found
    assert "kind create cluster --name pgnb" in error.remedy


def test_a_missing_ip_command_names_its_package() -> None:
    error = probe.explain("network", errno.ENOENT, "no command 'ip'")
    assert "iproute2" in error.remedy


@pytest.mark.parametrize(
    ("setting", "value", "remedy"),
    [
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "user.max_user_namespaces=15000"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ],
)
def test_a_setting_of_the_kernel_is_found(
    setting: str, value: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / setting).parent.mkdir()
    (tmp_path / setting).write_text(f"{value}\n")
    monkeypatch.setattr(probe, "SETTINGS", tmp_path)
    error = probe.explain("user", errno.EPERM, "Operation not permitted")
    assert remedy in error.remedy
    assert setting.rpartition("/")[2] in error.found


def test_a_limit_that_is_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SETTINGS", tmp_path)
    error = probe.explain("user", errno.ENOSPC, "No space left on device")
    assert "limit below /proc/sys/user" in error.found


def test_another_system_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(RehearsalError, match="Linux namespaces") as raised:
        probe.require_basics()
    assert raised.value.found == "this is darwin"


def test_a_machine_without_ip_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgnb_rehearsal.pods.network.ip_command", lambda: None)
    with pytest.raises(RehearsalError, match="network cannot be set up") as raised:
        probe.require_basics()
    assert "Install the package iproute2" in raised.value.remedy
