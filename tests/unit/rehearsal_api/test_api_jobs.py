"""Jobs and CronJobs as the API server takes them: defaults, refusals, changes, what kubectl shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pgnb_rehearsal.api.objects import timestamp
from pgnb_rehearsal.api.quotas import used
from pgnb_rehearsal.api.resources import BY_PLURAL
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.api.tables import table

Object = dict[str, Any]


def template(restart: str = "Never") -> Object:
    containers = [{"name": "main", "image": "i"}]
    return {"spec": {"containers": containers, "restartPolicy": restart}}


def job(name: str = "a", restart: str = "Never", **spec: Any) -> Object:
    metadata = {"name": name, "namespace": "default"}
    return {"metadata": metadata, "spec": {"template": template(restart), **spec}}


def indexed(**spec: Any) -> Object:
    return job(**{"completionMode": "Indexed", "completions": 3, "parallelism": 2, **spec})


def cron_job(name: str = "a", **spec: Any) -> Object:
    metadata = {"name": name, "namespace": "default"}
    return {
        "metadata": metadata,
        "spec": {"schedule": "@daily", "jobTemplate": {"spec": job()["spec"]}, **spec},
    }


def policy(*rules: Object) -> Object:
    return {"rules": list(rules)}


def on_codes(*values: int, action: str = "Count", operator: str = "In", **more: Any) -> Object:
    return {"action": action, "onExitCodes": {"operator": operator, "values": list(values), **more}}


def test_an_indexed_job_gets_its_defaults(store: Store) -> None:
    patterns = [{"type": "DisruptionTarget"}]
    rule = {"action": "Ignore", "onPodConditions": patterns}
    spec = store.create("jobs", indexed(backoffLimitPerIndex=1, podFailurePolicy=policy(rule)))["spec"]
    assert (spec["backoffLimit"], spec["podReplacementPolicy"]) == (2147483647, "Failed")
    assert spec["podFailurePolicy"]["rules"][0]["onPodConditions"] == [
        {"type": "DisruptionTarget", "status": "True"}
    ]
    plain = store.create("jobs", job("b"))["spec"]
    assert (plain["backoffLimit"], plain["podReplacementPolicy"]) == (6, "TerminatingOrFailed")
    assert (plain["completionMode"], plain["completions"], plain["parallelism"]) == ("NonIndexed", 1, 1)


def test_a_cron_job_gets_its_defaults_and_leaves_a_jobs_own_to_the_job(store: Store) -> None:
    made = store.create("cronjobs", cron_job())
    spec = made["spec"]
    assert (spec["concurrencyPolicy"], spec["suspend"]) == ("Allow", False)
    assert (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (3, 1)
    assert made["metadata"]["generation"] == 1
    template = spec["jobTemplate"]["spec"]
    assert template.keys() == {"template"}
    assert template["template"]["spec"]["dnsPolicy"] == "ClusterFirst"


NAME = "x" * 62
REFUSED: list[tuple[Object, str]] = [
    (
        job(completionMode="Indexed", parallelism=1),
        "spec.completions: Required value: when completion mode is Indexed",
    ),
    (
        job(completionMode="Other"),
        'spec.completionMode: Unsupported value: "Other": supported values: "NonIndexed"',
    ),
    (
        indexed(parallelism=100_001),
        "parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is",
    ),
    (
        job(backoffLimitPerIndex=1),
        "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode",
    ),
    (
        indexed(backoffLimitPerIndex=-1),
        "spec.backoffLimitPerIndex: Invalid value: -1: must be greater than or",
    ),
    (
        indexed(maxFailedIndexes=1),
        "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified",
    ),
    (
        indexed(maxFailedIndexes=4, backoffLimitPerIndex=1),
        "spec.maxFailedIndexes: Invalid value: 4: must be less than or equal to completions",
    ),
    (
        indexed(completions=100_001, backoffLimitPerIndex=1),
        "spec.maxFailedIndexes: Required value: must be specified when completions is above 100000",
    ),
    (
        indexed(completions=100_001, backoffLimitPerIndex=1, maxFailedIndexes=5, parallelism=10_001),
        "parallelism: Invalid value: 10001: must be less than or equal to 10000 when completions are above",
    ),
    (
        job(restart="OnFailure", podFailurePolicy=policy(on_codes(1))),
        'Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is specified',
    ),
    (
        job(podFailurePolicy=policy(on_codes(1)), podReplacementPolicy="TerminatingOrFailed"),
        'spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"',
    ),
    (
        job(podFailurePolicy=policy(*([on_codes(1)] * 21))),
        "spec.podFailurePolicy.rules: Too many: 21: must have at most 20 items",
    ),
    (
        job(podFailurePolicy=policy(on_codes(1, action="Stop"))),
        'action: Unsupported value: "Stop": supported values: "Count", "FailIndex", "FailJob", "Ignore"',
    ),
    (
        indexed(podFailurePolicy=policy(on_codes(1, action="FailIndex"))),
        'rules[0].action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set',
    ),
    (
        job(podFailurePolicy=policy({"action": "Count"})),
        "rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required",
    ),
    (
        job(podFailurePolicy=policy({**on_codes(1), "onPodConditions": [{"type": "A"}]})),
        "rules[0]: Invalid value: specifying both OnExitCodes and OnPodConditions is not supported",
    ),
    (
        job(podFailurePolicy=policy(on_codes())),
        "onExitCodes.values: Invalid value: null: at least one value is",
    ),
    (
        job(podFailurePolicy=policy(on_codes(0))),
        "values[0]: Invalid value: 0: must not be 0 for the In operator",
    ),
    (job(podFailurePolicy=policy(on_codes(1, 1))), "onExitCodes.values[1]: Duplicate value: 1"),
    (
        job(podFailurePolicy=policy(on_codes(2, 1))),
        "onExitCodes.values: Invalid value: [2,1]: must be ordered",
    ),
    (
        job(podFailurePolicy=policy(on_codes(1, operator=""))),
        'onExitCodes.operator: Required value: valid values: ["In" "NotIn"]',
    ),
    (
        job(podFailurePolicy=policy(on_codes(1, containerName="other"))),
        '"other": must be one of the container or initContainer names in the pod template',
    ),
    (
        job(
            podFailurePolicy=policy(
                {"action": "Count", "onPodConditions": [{"type": "A", "status": "Maybe"}]}
            )
        ),
        'onPodConditions[0].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"',
    ),
    (
        job(successPolicy=policy({"succeededCount": 1})),
        "requires indexed completion mode",
    ),
    (indexed(successPolicy=policy()), "spec.successPolicy.rules: Required value: at least one rules must be"),
    (
        indexed(successPolicy=policy({"succeededIndexes": "0-1,1"})),
        "error parsing succeededIndexes: non-increasing order, previous: 1, current: 1",
    ),
    (indexed(successPolicy=policy({"succeededIndexes": "3"})), 'too large index: "3"'),
    (
        indexed(successPolicy=policy({"succeededIndexes": "0,2", "succeededCount": 3})),
        "must be less than or equal to 2 (the number of indexes in the specified succeededIndexes field)",
    ),
    (job(managedBy="me"), 'spec.managedBy: Invalid value: "me": must be a domain-prefixed path'),
    (
        indexed(name=NAME),
        f'metadata.name: Invalid value: "{NAME}": will not able to create pod with invalid DNS label: {NAME}',
    ),
    (cron_job("x" * 53), "must be no more than 52 characters"),
    (cron_job(schedule=""), "spec.schedule: Required value"),
    (
        cron_job(schedule="60 * * * *"),
        'spec.schedule: Invalid value: "60 * * * *": end of range (60) above maximum',
    ),
    (cron_job(schedule="TZ=UTC @daily"), "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"),
    (cron_job(timeZone=""), "timeZone must be nil or non-empty string"),
    (cron_job(timeZone="Local"), "timeZone must be an explicit time zone as defined in https://www.iana.org"),
    (
        cron_job(timeZone="Mars/Base"),
        'spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base',
    ),
    (cron_job(timeZone="-x"), "unknown time zone -x"),
    (
        cron_job(concurrencyPolicy="Never"),
        'Unsupported value: "Never": supported values: "Allow", "Forbid", "Replace"',
    ),
    (cron_job(startingDeadlineSeconds=-1), "spec.startingDeadlineSeconds: Invalid value: -1"),
    (cron_job(failedJobsHistoryLimit=-1), "spec.failedJobsHistoryLimit: Invalid value: -1"),
    (
        cron_job(jobTemplate={"spec": job(restart="Always")["spec"]}),
        'spec.jobTemplate.spec.template.spec.restartPolicy: Required value: valid values: "OnFailure"',
    ),
    (
        cron_job(jobTemplate={"spec": job(selector={"matchLabels": {"a": "b"}})["spec"]}),
        "spec.jobTemplate.spec.selector: Invalid value:",
    ),
]


@pytest.mark.parametrize(("obj", "text"), REFUSED, ids=[case[1][:50] for case in REFUSED])
def test_what_is_wrong_is_refused_in_kubernetes_words(store: Store, obj: Object, text: str) -> None:
    plural = "cronjobs" if "schedule" in obj["spec"] else "jobs"
    with pytest.raises(StatusError) as refused:
        store.create(plural, obj)
    assert (refused.value.code, refused.value.reason) == (422, "Invalid")
    assert text in refused.value.message


def _spec(**values: Any) -> Callable[[Object], None]:
    return lambda obj: obj["spec"].update(values)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (_spec(completionMode="NonIndexed", backoffLimitPerIndex=None), "spec.completionMode: Invalid value"),
        (_spec(backoffLimitPerIndex=2), "spec.backoffLimitPerIndex: Invalid value: 2: field is immutable"),
        (_spec(podFailurePolicy=policy(on_codes(1))), "spec.podFailurePolicy: Invalid value"),
        (
            _spec(completions=4),
            "spec.completions: Invalid value: 4: can only be modified in tandem with spec.par",
        ),
        (_spec(managedBy="a.b/c"), 'spec.managedBy: Invalid value: "a.b/c": field is immutable'),
    ],
)
def test_what_is_fixed_in_a_job(store: Store, change: Callable[[Object], None], text: str) -> None:
    store.create("jobs", indexed(backoffLimitPerIndex=1, podReplacementPolicy="Failed"))
    with pytest.raises(StatusError) as refused:
        store.modify("jobs", "default", "a", change)
    assert text in refused.value.message


@pytest.mark.parametrize(
    "values",
    [
        {"parallelism": 0},
        {"suspend": True},
        {"completions": 5, "parallelism": 5},
        {"maxFailedIndexes": 1},
        {"activeDeadlineSeconds": 60},
        {"ttlSecondsAfterFinished": 1},
        {"backoffLimit": 9},
        {"podReplacementPolicy": "TerminatingOrFailed"},
    ],
)
def test_what_may_change_in_a_job(store: Store, values: Object) -> None:
    store.create("jobs", indexed(backoffLimitPerIndex=1, podReplacementPolicy="Failed"))
    changed = store.modify("jobs", "default", "a", _spec(**values))
    assert changed["spec"].items() >= values.items()
    assert changed["metadata"]["generation"] == 2


def _elsewhere(obj: Object) -> None:
    pod = obj["spec"]["template"]["spec"]
    pod["nodeSelector"] = {"a": "b"}
    pod["affinity"] = {"nodeAffinity": {}}
    pod["containers"][0]["resources"] = {"requests": {"cpu": "1"}}
    obj["spec"]["template"]["metadata"]["annotations"] = {"c": "d"}


@pytest.mark.parametrize(
    ("suspend", "status", "allowed"),
    [
        (False, {}, False),
        (True, {}, True),
        (True, {"startTime": timestamp()}, False),
        (True, {"active": 1}, False),
        (True, {"startTime": timestamp(), "conditions": [{"type": "Suspended", "status": "True"}]}, True),
        (True, {"active": 1, "conditions": [{"type": "Suspended", "status": "True"}]}, False),
    ],
)
def test_a_job_at_rest_can_be_given_another_place(
    store: Store, suspend: bool, status: Object, allowed: bool
) -> None:
    made = store.create("jobs", job(suspend=suspend))
    store.update("jobs", {**made, "status": status}, subresource="status")
    if allowed:
        changed = store.modify("jobs", "default", "a", _elsewhere)
        assert changed["spec"]["template"]["spec"]["nodeSelector"] == {"a": "b"}
    else:
        with pytest.raises(StatusError, match=r"spec\.template: Invalid value: .*: field is immutable"):
            store.modify("jobs", "default", "a", _elsewhere)


def test_a_job_at_rest_keeps_its_image(store: Store) -> None:
    store.create("jobs", job(suspend=True))
    with pytest.raises(StatusError, match=r"spec\.template: Invalid value"):
        store.modify(
            "jobs", "default", "a", lambda o: o["spec"]["template"]["spec"]["containers"][0].update(image="j")
        )


def test_a_cron_job_can_be_changed(store: Store) -> None:
    store.create("cronjobs", cron_job())
    changed = store.modify("cronjobs", "default", "a", _spec(suspend=True, schedule="@hourly"))
    assert (changed["metadata"]["generation"], changed["spec"]["schedule"]) == (2, "@hourly")


def test_a_cron_jobs_row() -> None:
    columns = ["Name", "Schedule", "Timezone", "Suspend", "Active", "Last Schedule", "Age"]
    obj = cron_job(suspend=False)
    shown = table(BY_PLURAL["cronjobs"], [obj], {})
    assert [column["name"] for column in shown["columnDefinitions"] if not column["priority"]] == columns
    assert shown["rows"][0]["cells"][:6] == ["a", "@daily", "<none>", "False", 0, "<none>"]
    busy = cron_job(suspend=True, timeZone="Asia/Tokyo") | {
        "status": {"active": [{}], "lastScheduleTime": timestamp()}
    }
    row = table(BY_PLURAL["cronjobs"], [busy], {})["rows"][0]["cells"]
    assert row[:5] == ["a", "@daily", "Asia/Tokyo", "True", 1]
    assert row[5].endswith("s") and row[7:] == ["main", "i", "<none>"]


def test_cron_jobs_count_in_a_quota(store: Store) -> None:
    spec = {"hard": {"count/cronjobs.batch": "1"}}
    made = store.create("resourcequotas", {"metadata": {"name": "q", "namespace": "default"}, "spec": spec})
    store.create("cronjobs", cron_job())
    assert {name: str(amount) for name, amount in used(store, made).items()} == {"count/cronjobs.batch": "1"}
    with pytest.raises(StatusError, match=r"exceeded quota: q, requested: count/cronjobs\.batch=1"):
        store.create("cronjobs", cron_job("b"))


@pytest.mark.parametrize("role", ["admin", "edit", "view"])
def test_the_roles_that_are_shipped_know_cron_jobs(store: Store, role: str) -> None:
    rules = store.get("clusterroles", None, role)["rules"]
    verbs = {verb for rule in rules if "cronjobs" in rule["resources"] for verb in rule["verbs"]}
    assert verbs >= {"get", "list", "watch"}
    assert ("create" in verbs) is (role != "view")
