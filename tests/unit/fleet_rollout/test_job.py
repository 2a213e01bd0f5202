"""The objects of a fleet, and what becomes of a pod by its exit status."""

import json

import pytest

from pgnb.core.errors import ParameterError
from pgnb.fleet import job as jobs
from pgnb.fleet.fleetfile import Target
from pgnb.fleet.targets import Plan
from pgnb.runbook.verdict import EXIT_CODES, Verdict
from tests import schemas


def action(policy, status):
    """What the first rule that fits does with an exit status, as the Job controller reads it."""
    for rule in policy["rules"]:
        codes = rule.get("onExitCodes")
        if codes and (status in codes["values"]) == (codes["operator"] == "In"):
            return rule["action"]
    return "Count"


def test_only_an_unreachable_api_is_tried_again():
    policy = jobs.failure_policy(changing=True)
    actions = {verdict: action(policy, EXIT_CODES[verdict]) for verdict in Verdict if EXIT_CODES[verdict]}
    assert actions.pop(Verdict.UNREACHABLE) == "Count"
    assert set(actions.values()) == {"FailIndex"}
    assert [action(policy, status) for status in (2, 137, 143)] == ["FailIndex"] * 3
    assert action(policy, jobs.WAITED) == "Ignore"


@pytest.mark.parametrize(("changing", "what"), [(True, "FailIndex"), (False, "Ignore")])
def test_a_pod_that_lost_its_node_is_made_again_only_where_it_changes_nothing(changing, what):
    (rule,) = [rule for rule in jobs.failure_policy(changing)["rules"] if "onPodConditions" in rule]
    assert rule["action"] == what


def test_a_job_begins_suspended_and_releases_nothing(fleet, plan):
    made = jobs.job(fleet(4, sizes=(1, 3)), plan(4, sizes=(1, 3)), 7)
    spec = made["spec"]
    assert made["metadata"]["name"] == "pgnb-nightly-7"
    assert made["metadata"]["annotations"][jobs.RELEASED] == "0"
    assert (spec["suspend"], spec["completionMode"], spec["completions"]) == (True, "Indexed", 4)
    assert spec["backoffLimitPerIndex"] == 3
    assert "maxFailedIndexes" not in spec, "it would end pods that are in the middle of a change"


def test_its_pods_comply_with_restricted_and_write_to_volumes_only(fleet, plan):
    spec = jobs.job(fleet(records_secret="s3"), plan(), 1)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["envFrom"] == [{"secretRef": {"name": "s3"}}]
    assert spec["restartPolicy"] == "Never"
    assert spec["securityContext"]["runAsNonRoot"]
    assert {volume["name"] for volume in spec["volumes"]} == {"plan", "work", "tmp"}


def test_what_a_pod_is_given_stands_in_its_template(fleet, plan):
    more = {"tolerations": [{"operator": "Exists"}], "labels": {"team": "db"}, "resources": {}}
    template = jobs.job(fleet(pod=more), plan(), 1)["spec"]["template"]
    assert template["spec"]["tolerations"] == more["tolerations"]
    assert template["metadata"]["labels"]["team"] == "db"
    assert template["spec"]["containers"][0]["resources"] == {}


def test_the_config_map_holds_the_plan_and_goes_with_its_owner(fleet, plan):
    owner = jobs.job(fleet(), plan(), 1)
    owner["metadata"]["uid"] = "u1"
    made = jobs.config_map(fleet(), plan(), owner)
    assert made["metadata"]["name"] == "pgnb-nightly-1"
    assert made["metadata"]["ownerReferences"][0]["uid"] == "u1"
    assert Plan.of(made["data"]["fleet.json"]) == plan()
    assert made["immutable"]


def test_a_plan_that_no_config_map_holds_is_refused(fleet, plan):
    many = ", ".join(f"application-number-{n}" for n in range(60))
    targets = tuple(
        Target(f"t{n}", f"n{n}", {"primary_selector": f"app in ({many}, own{n})"}) for n in range(900)
    )
    with pytest.raises(ParameterError, match="too large for a ConfigMap"):
        jobs.config_map(fleet(), plan(targets=targets), jobs.job(fleet(), plan(), 1))


def test_a_schedule_is_one_wave_that_never_runs_twice_at_once(fleet, plan):
    made = jobs.cron_job(fleet(schedule="0 2 * * *", time_zone="Asia/Tokyo"), plan())
    assert (made["spec"]["concurrencyPolicy"], made["spec"]["timeZone"]) == ("Forbid", "Asia/Tokyo")
    template = made["spec"]["jobTemplate"]
    assert template["metadata"]["annotations"][jobs.RELEASED] == "1"
    assert "suspend" not in template["spec"]
    mounted = template["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"]
    assert (
        mounted
        == jobs.config_map(fleet(), plan(), {**made, "metadata": {**made["metadata"]}})["metadata"]["name"]
    )


@pytest.mark.long
def test_what_is_made_is_valid_by_the_schemas_of_kubernetes(fleet, plan):
    """From 1.29 on, in which an index has a back-off limit of its own."""
    declared = fleet(records_secret="s3", pod={"tolerations": [{"operator": "Exists"}]})
    made = jobs.job(declared, plan(), 1)
    owner = {**made, "metadata": {**made["metadata"], "uid": "u1"}}
    scheduled = jobs.cron_job(fleet(schedule="0 2 * * *"), plan())
    assert schemas.faults([made, scheduled, jobs.config_map(declared, plan(), owner)]) == ""


def test_no_secret_is_in_what_is_made(fleet, plan):
    text = json.dumps(jobs.job(fleet(records_secret="s3"), plan(), 1))
    assert "valueFrom" in text
    assert '"value"' not in text
