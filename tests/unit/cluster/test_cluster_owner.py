"""Whose a helper pod is: a process that lives, one that died, and one of which nobody here can know."""

import subprocess
import sys

import pytest

from pgnb.cluster.helper_spec import HelperPod
from pgnb.cluster.owner import ANNOTATION, has_died, this_process

SAY = "from pgnb.cluster.owner import this_process; print(this_process())"


@pytest.fixture(scope="module")
def died() -> str:
    """A process that has ended."""
    done = subprocess.run([sys.executable, "-c", SAY], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_one_that_lives_has_not_died():
    assert this_process()
    assert not has_died(this_process())


def test_one_that_ended_has_died(died):
    assert has_died(died)


def test_a_pid_that_was_given_out_again_is_not_the_process():
    place, _, number = this_process().rpartition("/")
    assert has_died(f"{place}/{number.partition('-')[0]}-1")


@pytest.mark.parametrize("part", [0, 1, 2])
def test_of_another_boot_namespace_or_user_nobody_can_know(died, part):
    parts = died.split("/")
    parts[part] += "0"
    assert not has_died("/".join(parts))


@pytest.mark.parametrize("words", ["", "/", "a/b/c/no-number", "12"])
def test_what_is_no_process_has_not_died(words):
    assert not has_died(words)


def test_a_helpers_manifest_says_whose_it_is():
    manifest = HelperPod("x", "postgres:17", ("true",)).manifest("x-1", seconds=1)
    assert manifest["metadata"]["annotations"] == {ANNOTATION: this_process()}
