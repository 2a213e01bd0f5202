"""The check in a notebook's first cell, whoever runs the notebook."""

import pytest

from pgnb.core.errors import ParameterError
from pgnb.runbook.declaration import parse
from pgnb.runbook.given import _declared_in, check_given, check_parameters
from pgnb.runbook.values import check_values
from tests.unit.runbook.conftest import PARAMETERS

DECLARED = parse(PARAMETERS)


def test_it_shows_what_is_not_the_default():
    given = check_given(DECLARED, {p.name: p.default for p in DECLARED} | {"rows": 5})
    assert given.rows == (("rows", "5"),)
    assert "5 of 6 parameters have their defaults" in str(given)


def test_a_boolean_that_papermill_made_a_text_is_refused():
    """papermill -p safe false gives the text 'false', which Python takes as true."""
    with pytest.raises(ParameterError, match="safe must be bool") as refused:
        check_given(DECLARED, {"safe": "false"})
    assert "with papermill's -p: True or False" in refused.value.remedy


def test_several_wrong_values_are_named_at_once():
    with pytest.raises(ParameterError, match="2 parameters cannot be used as given") as refused:
        check_given(DECLARED, {"rows": "x", "rate": -1.0})
    assert "rows must be int; rate cannot be -1.0" in refused.value.message


def test_the_parameters_cell_is_found_among_the_inputs():
    inputs = ["", PARAMETERS, "rows = 5", "import pgnb\n\npgnb.check_parameters()"]
    assert _declared_in(inputs) == DECLARED
    with pytest.raises(ParameterError, match="the parameters cell has not been run"):
        check_given(_declared_in(["x = 1"]), {})


def test_a_cell_that_ran_without_a_history_is_checked_by_its_annotations():
    """nbval keeps no history of what it ran."""
    cells = [PARAMETERS, "given = check_parameters()"]
    names = {"check_parameters": check_parameters}
    for cell in cells:
        exec(cell, names)
    assert names["given"].rows == ()
    with pytest.raises(ParameterError, match="safe must be bool"):
        exec(cells[1], names | {"safe": "false"})


@pytest.mark.parametrize(
    "text",
    [
        "password='hunter2'",
        'password="hunter2"',
        "sslpassword=hunter2",
        "PASSPHRASE: hunter2",
        "token = hunter2",
        "postgresql://u:hunter2@h/db",
    ],
)
def test_a_secret_in_any_value_is_refused_and_not_repeated(text):
    with pytest.raises(ParameterError, match="never a secret") as refused:
        check_values(DECLARED, {"name": text})
    with pytest.raises(ParameterError, match="never a secret"):
        check_values(DECLARED, {"settings": {"a": text}})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("text", ["password=''", "password_encryption=scram", "the secret is out"])
def test_what_only_speaks_of_secrets_is_taken(text):
    assert check_values(DECLARED, {"name": text}) == {"name": text}


def test_a_selector_may_be_any_that_kubernetes_takes():
    declared = parse('primary_selector: str = "app in (a)"  # it')
    good = ["app=a", "app==a,role!=b", "app in (a, b)", "x.io/app notin (a),!old", "app", "a=, b=c"]
    for text in good:
        assert check_values(declared, {"primary_selector": text})
    for text in ("app in a", "app=a;", "=a", "app=a b", "-a=b"):
        with pytest.raises(ParameterError, match="primary_selector cannot be"):
            check_values(declared, {"primary_selector": text})
