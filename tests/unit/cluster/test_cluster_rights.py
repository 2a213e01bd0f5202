"""What notebook 01 asks for is what the roles that ship with pgnb give, and nothing else."""

from __future__ import annotations

from importlib.resources import files

import yaml

from pgnb.cluster import RIGHTS


def test_notebook_01_asks_for_every_right_of_the_roles_and_for_no_other() -> None:
    text = (files("pgnb") / "manifests" / "rbac.yaml").read_text(encoding="utf-8")
    given = {
        (verb, resource, group)
        for manifest in yaml.safe_load_all(text)
        for rule in manifest.get("rules", ())
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert {(right.verb, right.resource, right.group) for right in RIGHTS} == given
    assert len(RIGHTS) == len(given)
