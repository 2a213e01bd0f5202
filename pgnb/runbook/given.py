"""A notebook's own check of what it was given, whoever runs it: JupyterLab, papermill or `pgnb run`."""

from __future__ import annotations

import ast
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pgnb.core.display import Table
from pgnb.core.errors import ParameterError
from pgnb.core.journal import APPROVAL_NAMESPACES
from pgnb.core.translation import VARIABLE as LANGUAGE
from pgnb.runbook import interactive
from pgnb.runbook.catalogue import notebooks
from pgnb.runbook.declaration import Parameter, parse
from pgnb.runbook.params import declared, unknown
from pgnb.runbook.renamed import current_name, renamed_error
from pgnb.runbook.values import check_values

_OF_THE_FILE = ("approval", "language")
"""Settings of a file of parameters that no notebook has."""
_INJECTED = "# Parameters\n"
"""How the cell begins that papermill adds."""


def check_parameters() -> Table:
    """Check the values of the notebook's parameters, before anything is connected; show what was given.

    Returns a table of the values that are not the defaults. Raises ParameterError for a value that cannot be
    right: another type, form, range or name than the parameter takes, or a secret; and for a name given by
    papermill that no notebook takes.
    """
    names = sys._getframe(1).f_globals  # The cell's: a notebook has one namespace.
    inputs = names.get("In", ())
    parameters = _declared_in(inputs) or _annotated_in(names)
    injected = _injected_in(inputs)
    if "approval" in injected:
        _take_policy(names["approval"])
    if "language" in injected:
        os.environ.setdefault(LANGUAGE, str(names["language"]))
    _refuse_unknown(parameters, [name for name in injected if name not in _OF_THE_FILE])
    shown = check_given(parameters, names)
    interactive.begin({p.name: names[p.name] for p in parameters if p.name in names})
    return shown


def _take_policy(given: Any) -> None:
    """Keep where approval is mandatory for `connect`: papermill gave the setting of a file of parameters."""
    from pgnb.runbook.approval import Policy  # Few runs need it.

    os.environ[APPROVAL_NAMESPACES] = json.dumps(list(Policy.of(given).namespaces))


def check_given(declared: Sequence[Parameter], names: Mapping[str, Any]) -> Table:
    """Check the values that `names` has for the declared parameters. See `check_parameters`."""
    if not declared:
        raise ParameterError(
            "the parameters cell has not been run",
            found="no cell that holds only lines of the form `name: type = literal  # help`",
            remedy="Run the notebook from its first cell.",
        )
    values = {parameter.name: names[parameter.name] for parameter in declared if parameter.name in names}
    check_values(declared, values)
    rows = [(p.name, repr(values[p.name])) for p in declared if values.get(p.name, p.default) != p.default]
    note = f"{len(declared) - len(rows)} of {len(declared)} parameters have their defaults."
    return Table.of(("parameter", "value"), rows, title="Given", note=note)


def _refuse_unknown(parameters: Sequence[Parameter], injected: Sequence[str]) -> None:
    """Raise ParameterError for a name that papermill set, and that no notebook takes: it sets any name.

    A file of parameters is shared, so a name that only another notebook takes is none of this one's.
    """
    own = [parameter.name for parameter in parameters]
    strange = [name for name in injected if name not in own]
    if strange and own:
        for name in strange:
            if error := renamed_error(name, own):
                raise error
        others = {parameter.name for path in notebooks().values() for parameter in declared(path)}
        if nobody := [name for name in strange if current_name(name, others) not in others]:
            raise unknown(nobody[0], "this notebook", parameters, [*own, *others])


def _injected_in(inputs: Sequence[str]) -> list[str]:
    """The names that papermill's own cell sets; it stands behind the parameters cell."""
    source = next((source for source in reversed(inputs) if source.startswith(_INJECTED)), "")
    try:
        assigned = [node for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    except SyntaxError:
        return []  # A cell of somebody's own that begins alike.
    return [target.id for node in assigned for target in node.targets if isinstance(target, ast.Name)]


def _declared_in(inputs: Sequence[str]) -> tuple[Parameter, ...]:
    """The declarations of the parameters cell, as it was run last."""
    for source in reversed(inputs):
        try:
            if any(isinstance(node, ast.AnnAssign) for node in ast.parse(source).body):
                return parse(source)
        except (SyntaxError, ValueError):
            continue  # A cell of another kind.
    return ()


def _annotated_in(names: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """The declarations that Python itself keeps, where cells run without a history, as by nbval.

    They have no defaults: what is there counts as such.
    """
    types = {name: kind for name, kind in names.get("__annotations__", {}).items() if name in names}
    return tuple(Parameter(name, _spelt(kind), names[name], "") for name, kind in types.items())


def _spelt(kind: object) -> str:
    return kind.__name__ if type(kind) is type else str(kind)
