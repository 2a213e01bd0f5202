"""Values held against their declarations: types, secrets, and what each parameter may be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pgnb.core.errors import ParameterError
from pgnb.runbook.constraints import constraint_of, control_characters
from pgnb.runbook.declaration import Parameter, converted

_SECRET_NAME = re.compile(r"(ssl)?pass(word|wd|phrase)?|secret|token|api_?key", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"(pass(word|wd|phrase)|\bsecret|\btoken)\s*[=:]\s*(?!\s|''|\"\"|$)"
    r"|\bpassword\s+'[^']"
    r"|://[^/@\s:]+:[^/@\s]+@",
    re.IGNORECASE,
)
_FORMS = "secret:NAME/KEY, env:VARIABLE, passfile:PATH or pod-env:VARIABLE"


def check_values(declared: Iterable[Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values, each as its notebook takes it.

    Raises ParameterError for the first wrong one; where several are wrong, its message names them all.
    """
    known, taken, wrong = {p.name: p for p in declared}, {}, []
    for name, value in values.items():
        try:
            taken[name] = _checked(known[name], value)
        except ParameterError as error:
            wrong.append(error)
    if len(wrong) > 1:
        raise ParameterError(
            f"{len(wrong)} parameters cannot be used as given: {'; '.join(e.message for e in wrong)}",
            found="; ".join(e.found for e in wrong if e.found),
            remedy="\n          ".join(dict.fromkeys(f"{e.remedy}" for e in wrong if e.remedy)),
        )
    if wrong:
        raise wrong[0]
    return taken


def _checked(parameter: Parameter, value: Any) -> Any:
    constraint = constraint_of(parameter)
    if constraint is None or not constraint.own_form:
        refuse_secret(parameter.name, value)
    taken = converted(parameter, value)
    _refuse_control_characters(parameter.name, taken)
    _refuse_empty(parameter, taken)
    if constraint is not None:
        constraint.check(parameter, taken)
    return taken


def _refuse_empty(parameter: Parameter, value: Any) -> None:
    if value == "" and not parameter.may_be_empty:
        raise ParameterError(f"{parameter.name} is empty", remedy=f"Give a value: {parameter.help}.")


def _refuse_control_characters(name: str, value: Any) -> None:
    """SQL may have lines; a name, a path or a number's text holds no character that can't be seen."""
    found = {repr(one) for one in control_characters(value, lines=name.endswith(("_ddl", "_rows")))}
    if found:
        raise ParameterError(
            f"{name} holds a control character", found=", ".join(sorted(found)), remedy="Take it out."
        )


def refuse_secret(name: str, value: object) -> None:
    """Raise ParameterError, which does not repeat the value, where one holds a password or a token."""
    if any(_SECRET_TEXT.search(text) for text in _texts(value)) or any(_secret_keys(value)):
        raise ParameterError(
            f"{name}: a parameter is never a secret, and this value holds one",
            remedy=f"Name where it is kept: {_FORMS}.",
        )


def is_secret_name(name: str) -> bool:
    """Whether a parameter of that name would hold a secret itself."""
    return bool(_SECRET_NAME.search(name)) and not name.endswith("_from")


def _texts(value: object) -> Iterator[str]:
    """Every text in a value, at any depth."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def _secret_keys(value: object) -> Iterator[str]:
    """The keys of mappings, at any depth, that are names of a secret and have a value."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(key, str) and _SECRET_NAME.fullmatch(key.strip()) and item:
                yield key
            yield from _secret_keys(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _secret_keys(item)
