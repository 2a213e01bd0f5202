"""A fleet resolved: its targets by index, its waves, and the values of each notebook."""

import pytest

from pgnb.core.errors import ParameterError
from pgnb.fleet.fleetfile import Discovery, Target
from pgnb.fleet.targets import Plan, resolve
from tests.unit.fleet_rollout.conftest import Namespaces


def test_each_target_gets_the_common_values_its_own_and_its_namespace(fleet):
    targets = (Target("a", "ns-a"), Target("b", "ns-b", {"standby_selector": "app=b"}))
    plan = resolve(fleet(targets=targets, parameters={"user": "admin"}), Namespaces())
    assert plan.values(0, "00") == {"user": "admin", "namespace": "ns-a", "kubeconfig": "", "context": ""}
    assert plan.values(1, "08")["standby_selector"] == "app=b"
    assert plan.common["00"] == {"user": "admin", "kubeconfig": "", "context": ""}


def test_pods_have_no_kubeconfig_and_another_engine_may_have_one(fleet):
    given = {"kubeconfig": "~/.kube/config", "context": "production"}
    declared = fleet(1, parameters=given)
    assert resolve(declared, Namespaces()).values(0, "00")["kubeconfig"] == ""
    elsewhere = resolve(declared, Namespaces(), in_pods=False).values(0, "00")
    assert {key: elsewhere[key] for key in given} == given


def test_a_value_that_no_notebook_takes_is_refused_with_the_targets_name(fleet):
    with pytest.raises(ParameterError, match=r"target b: .* has no parameter 'databse'"):
        resolve(fleet(targets=(Target("a", "a"), Target("b", "b", {"databse": "x"}))), Namespaces())


def test_labelled_namespaces_are_targets_but_for_those_that_are_named(fleet):
    found = Namespaces("zoo", "ns0", "bank")
    plan = resolve(fleet(1, discover=Discovery("pgnb/fleet=production", {"user": "x"})), found)
    assert found.asked == "pgnb/fleet=production"
    assert [target.name for target in plan.targets] == ["t0", "bank", "zoo"]
    assert plan.values(2, "00").items() >= {"user": "x", "namespace": "zoo"}.items()


def test_no_namespace_with_the_label_is_said(fleet):
    with pytest.raises(ParameterError, match="no targets"):
        resolve(fleet(0, discover=Discovery("pgnb/fleet=production")), Namespaces())


def test_one_target_can_be_taken_and_an_unknown_one_is_refused(fleet):
    assert [t.name for t in resolve(fleet(), Namespaces(), ["t1"]).targets] == ["t1"]
    with pytest.raises(ParameterError, match="the fleet has no target t9"):
        resolve(fleet(), Namespaces(), ["t9"])


def test_the_plan_of_a_config_map_is_the_plan_that_was_made(plan):
    made = plan(sizes=(1, 2), parameters={"language": "ja", "approval": {"namespaces": ["prod-*"]}})
    assert Plan.of(made.content) == made
    assert (made.language, made.approval) == ("ja", ("prod-*",))
    assert Plan.of(made.content).digest == made.digest


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"fleet": 1}'])
def test_what_is_no_plan_is_refused(text):
    with pytest.raises(ParameterError, match="not the plan of a fleet"):
        Plan.of(text)


def test_another_value_is_another_plan(plan):
    assert plan().digest != plan(parameters={"user": "x"}).digest
    assert plan().digest == plan().digest


def test_indexes_and_waves_fit_each_other(plan):
    made = plan(6, sizes=(1, 3))
    assert made.waves == (1, 3, 2)
    assert [list(made.indexes(wave)) for wave in (1, 2, 3)] == [[0], [1, 2, 3], [4, 5]]
    assert [made.wave_of(index) for index in range(6)] == [1, 2, 2, 2, 3, 3]
    with pytest.raises(ParameterError, match="no index 6"):
        made.wave_of(6)


@pytest.mark.parametrize(
    ("more", "changing"),
    [
        ({}, False),
        ({"notebooks": ("00", "02")}, True),
        ({"notebooks": ("02",), "parameters": {"dry_run": "true"}}, False),
        ({"notebooks": ("08",), "parameters": {"dry_run": "false"}}, True),
    ],
)
def test_whether_a_run_may_change_something_is_known(plan, more, changing):
    assert plan(**more).changing is changing


def test_a_dry_run_lets_every_notebook_plan(fleet):
    plan = resolve(fleet(notebooks=("02",)), Namespaces(), dry_run=True)
    assert plan.values(0, "02")["dry_run"] == "true"
    assert not plan.changing
