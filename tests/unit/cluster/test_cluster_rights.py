"""What notebook 01 asks for is what the roles that ship with pgnb give, and nothing else."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest
import yaml

from pgnb.cluster import RIGHTS
from pgnb.cluster.access import rights_of
from pgnb.core.errors import ParameterError
from pgnb.runbook import catalogue
from pgnb.runbook.constraints import CHOICES

_TEXT = (files("pgnb") / "manifests" / "rbac.yaml").read_text(encoding="utf-8")
_MANIFESTS = tuple(yaml.safe_load_all(_TEXT))
# "# pgnb-standby    03: the standby's objects", up to the line with the next role's name.
_HEADER = re.compile(r"^# (pgnb-\S+) +((?:\d+(?:\.\d+)?(?:, )?)+)", re.MULTILINE)


def test_notebook_01_asks_for_every_right_of_the_roles_and_for_no_other() -> None:
    given = {
        (verb, resource, group)
        for manifest in _MANIFESTS
        for rule in manifest.get("rules", ())
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert {(right.verb, right.resource, right.group) for right in RIGHTS} == given
    assert len(RIGHTS) == len(given)


def test_notebook_01_can_ask_for_the_rights_of_some_roles_only() -> None:
    rules = {m["metadata"]["name"]: m["rules"] for m in _MANIFESTS if m["kind"] == "Role"}
    assert CHOICES["rbac_roles"] == (frozenset(rules),)
    observing = {str(right) for right in rights_of(["pgnb-observe"])}
    assert {"list pods", "create pods/exec", "list cronjobs.batch"} <= observing
    assert not any(right.startswith("patch ") for right in observing)
    assert set(rights_of(rules)) == set(RIGHTS)
    with pytest.raises(ParameterError, match="pgnb-admin"):
        rights_of(["pgnb-observe", "pgnb-admin"])


def test_every_role_is_bound_and_said_to_be_for_which_notebooks() -> None:
    roles = [m["metadata"]["name"] for m in _MANIFESTS if m["kind"] == "Role"]
    bindings = [m for m in _MANIFESTS if m["kind"] == "RoleBinding"]
    assert [binding["roleRef"]["name"] for binding in bindings] == roles
    assert [binding["metadata"]["name"] for binding in bindings] == roles
    header = dict(_HEADER.findall(_TEXT))
    assert list(header) == roles
    named = [number for numbers in header.values() for number in re.findall(r"\d+(?:\.\d+)?", numbers)]
    known = [re.sub(r"_0?", ".", number) for number in catalogue.notebooks()]
    assert sorted(named) == sorted(known)
