"""The notebooks as a person opens them: defaults, each cell run by nbval, marked outputs compared."""

import pytest

from pgnb.runbook.verdict import Verdict
from tests.notebooks import runs
from tests.notebooks.test_logical_procedure import CARRIED_OUT
from tests.notebooks.test_procedure import NUMBERS

PARTS = {"physical": NUMBERS[:6], "logical": CARRIED_OUT}


@pytest.mark.long
@pytest.mark.parametrize(("part", "numbers"), PARTS.items())
def test_what_the_pipeline_carried_out_passes_nbval_with_the_defaults(part, numbers, home, given, executed):
    records = runs.pipeline([part], given["kubeconfig"], executed)
    assert {record.verdict for record in records} == {Verdict.PASSED}
    runs.nbval(numbers, home)
