"""Says what this machine lacks for pods without a container engine, and what to do about it."""

from __future__ import annotations

import errno
import shutil
import sys
import tempfile
from pathlib import Path

from pgnb_rehearsal.errors import RehearsalError
from pgnb_rehearsal.pods import network

SETTINGS = Path("/proc/sys")
_KIND = (
    "Or use a cluster of kind (https://kind.sigs.k8s.io): `kind create cluster --name pgnb`, then "
    "`scripts/kubernetes-e2e OUT` in a clone: it makes the sample primary there and runs the notebooks."
)
_WHAT = {
    "user": "user namespaces cannot be made",
    "map": "the user namespace's ID map cannot be written",
    "namespaces": "mount, network and PID namespaces cannot be made",
    "mount": "file systems cannot be mounted in a user namespace",
    "proc": "/proc cannot be mounted in a new PID namespace",
    "network": "the pods' network cannot be set up",
}


def check() -> None:
    """Make the cluster's namespaces for a moment; RehearsalError says what is missing."""
    from pgnb_rehearsal.pods import wrapper  # wrapper reports its failures through this module

    with tempfile.TemporaryDirectory(prefix="pgnb-probe-") as directory:
        _, control = wrapper.open_bare(Path(directory, "log"))
        control.close()


def require_basics() -> None:
    """RehearsalError where the attempt to make namespaces is not even worth it."""
    if sys.platform != "linux":
        raise _lacking(
            "its pods are made of Linux namespaces", f"this is {sys.platform}", "Use a Linux machine."
        )

    if network.ip_command() is None:
        raise explain("network", errno.ENOENT, "no command 'ip'")
    if shutil.which("bash", path="/usr/bin:/bin") is None:
        raise _lacking("the image's entry point needs bash", "no bash in /usr/bin", "Install bash.")


def explain(stage: str, code: int, text: str) -> RehearsalError:
    """The error for a failure with errno `code` while the wrapper was made, with its most likely cause."""
    found, remedy = _cause(stage, code)
    return _lacking(_WHAT.get(stage, stage), f"{text}; {found}" if found else text, remedy)


def _lacking(what: str, found: str, remedy: str) -> RehearsalError:
    return RehearsalError(
        f"The rehearsal cluster cannot start on this machine: {what}.",
        found=found,
        remedy=f"{remedy} {_KIND}",
    )


def _cause(stage: str, code: int) -> tuple[str, str]:
    """What was found on the machine that explains the failure, and the remedy."""
    if stage == "network":
        return _network_cause(code)
    if _setting("kernel/unprivileged_userns_clone") == "0":
        return (
            "kernel.unprivileged_userns_clone is 0",
            "As root: `sysctl -w kernel.unprivileged_userns_clone=1`.",
        )
    if _setting("user/max_user_namespaces") == "0":
        return "user.max_user_namespaces is 0", "As root: `sysctl -w user.max_user_namespaces=15000`."
    if _setting("kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            "AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns is 1)",
            "As root: `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or start it as root.",
        )
    if code == errno.ENOSPC:
        return (
            "a limit below /proc/sys/user is reached",
            "As root: raise user.max_user_namespaces and the others.",
        )
    if _in_container():
        return (
            "this is a container, whose engine forbids it",
            "Start the container with `--privileged`, or with `--security-opt seccomp=unconfined "
            "--security-opt apparmor=unconfined --security-opt systempaths=unconfined`.",
        )
    return "", "Allow user namespaces for this user (user_namespaces(7))."


def _network_cause(code: int) -> tuple[str, str]:
    if code == errno.ENOENT:
        return "iproute2 is not installed", "Install the package iproute2."
    return "", "The kernel needs the modules bridge and veth: as root, `modprobe -a bridge veth`."


def _setting(name: str) -> str:
    try:
        return Path(SETTINGS, name).read_text().strip()
    except OSError:
        return ""  # this kernel has no such setting


def _in_container() -> bool:
    marks = ("/.dockerenv", "/run/.containerenv")
    seccomp = "Seccomp:\t2" in Path("/proc/self/status").read_text()
    return seccomp or any(Path(mark).exists() for mark in marks)
