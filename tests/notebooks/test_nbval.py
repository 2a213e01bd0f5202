"""The notebooks as a person opens them: defaults, each cell run by nbval, marked outputs compared."""

import pytest

from tests.notebooks import runs
from tests.notebooks.test_logical_procedure import CARRIED_OUT
from tests.notebooks.test_procedure import NUMBERS


@pytest.mark.long
@pytest.mark.parametrize("numbers", [NUMBERS[:6], CARRIED_OUT], ids=["sections 0 to 5", "section 12"])
def test_what_was_carried_out_passes_nbval_with_the_defaults(numbers, home, given, executed):
    runs.pipeline(numbers, given["kubeconfig"], executed)
    runs.nbval(numbers, home)
