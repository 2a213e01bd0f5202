"""Label and field selectors."""

from __future__ import annotations

import pytest

from pgnb_rehearsal.api.resources import BY_PLURAL
from pgnb_rehearsal.api.selectors import field_selector, label_selector
from pgnb_rehearsal.api.status import StatusError

LABELS = {"app": "x", "tier": "db", "empty": "", "size": "10"}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("app=x", True),
        ("app==x,tier=db", True),
        ("app=y", False),
        ("app!=y", True),
        ("other!=y", True),
        ("app in (x, y)", True),
        ("app notin (x,y)", False),
        ("other notin (x)", True),
        ("app", True),
        ("!app", False),
        ("!other", True),
        ("empty=", True),
        ("size>9", True),
        ("size<10", False),
        ("app>1", False),
    ],
)
def test_label_selectors(selector: str, matches: bool) -> None:
    assert label_selector(selector)(LABELS) is matches


@pytest.mark.parametrize(
    ("selector", "found"),
    [("app===x", "'='"), ("app in x", "'x'"), ("app in (x", "''"), ("=x", "'='"), ("app tier", "'tier'")],
)
def test_what_is_no_selector_is_said(selector: str, found: str) -> None:
    with pytest.raises(StatusError, match="unable to parse requirement") as refused:
        label_selector(selector)
    assert refused.value.code == 400
    assert f"found {found}" in refused.value.message


@pytest.mark.parametrize(
    ("operator", "values", "matches"),
    [("In", ["x"], True), ("NotIn", ["x"], False), ("Exists", [], True), ("DoesNotExist", [], False)],
)
def test_selectors_of_objects(operator: str, values: list[str], matches: bool) -> None:
    expression = {"key": "app", "operator": operator, "values": values}
    assert (
        label_selector({"matchLabels": {"tier": "db"}, "matchExpressions": [expression]})(LABELS) is matches
    )


def test_field_selectors_compare_as_text() -> None:
    pods = BY_PLURAL["pods"]
    pod = {
        "metadata": {"name": "p", "namespace": "n"},
        "spec": {"hostNetwork": True},
        "status": {"phase": "Failed"},
    }
    assert field_selector(pods, "metadata.name=p,status.phase!=Running")(pod)
    assert field_selector(pods, "spec.hostNetwork=true")(pod)
    assert field_selector(pods, "spec.nodeName=")(pod)
    with pytest.raises(StatusError, match=r"field label not supported: spec\.x"):
        field_selector(pods, "spec.x=1")
