"""Label and field selectors, in a query's spelling and in an object's (`matchLabels`, `matchExpressions`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pgnb_rehearsal.api.objects import Object, lookup
from pgnb_rehearsal.api.resources import Resource
from pgnb_rehearsal.api.status import StatusError, bad_request

Predicate = Callable[[Object], bool]
Labels = Mapping[str, str]
Requirement = Callable[[Labels], bool]

_TOKEN = re.compile(r"\s*(==|!=|=|!|\(|\)|,|>|<|[^\s=!(),<>]+)\s*")
_OPERATORS = ("=", "==", "!=", "!", "(", ")", ",", "<", ">")
_COMMON_FIELDS = ("metadata.name", "metadata.namespace")


def label_selector(selector: str | Mapping[str, Any]) -> Requirement:
    """A predicate over labels.

    `selector` is a query's text (`app=x,tier in (a,b),!old`), a plain map of labels, or an object's
    LabelSelector (`matchLabels`, `matchExpressions`). Raises StatusError 400 when it cannot be read.
    """
    if isinstance(selector, str):
        requirements = _Parser(selector).requirements()
    elif "matchLabels" in selector or "matchExpressions" in selector:
        requirements = _from_object(selector)
    else:
        requirements = [_equals(key, value) for key, value in selector.items()]
    return lambda labels: all(requirement(labels) for requirement in requirements)


def field_selector(resource: Resource, selector: str) -> Predicate:
    """A predicate over objects from `metadata.name=x,status.phase!=Running`; StatusError 400 for a field
    that this resource cannot be selected by."""
    terms = [_field_term(resource, part) for part in selector.split(",") if part]
    return lambda obj: all(term(obj) for term in terms)


def selects(selector: str | Mapping[str, Any], obj: Object) -> bool:
    """True when the object's labels meet the selector."""
    return label_selector(selector)(lookup(obj, "metadata", "labels") or {})


def _field_term(resource: Resource, part: str) -> Predicate:
    match = re.fullmatch(r"([^=!]+)(==|!=|=)(.*)", part)
    if match is None:
        raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
    path, operator, wanted = match.group(1).strip(), match.group(2), match.group(3).strip()
    common = _COMMON_FIELDS if resource.namespaced else _COMMON_FIELDS[:1]
    known = (*common, *resource.fields)
    if path not in known:
        if resource.fields:
            raise bad_request(f"field label not supported: {path}")
        names = ", ".join(f'"{name}"' for name in known)
        raise bad_request(f'"{path}" is not a known field selector: only {names}')
    keys = path.split(".")
    return lambda obj: (_field_text(lookup(obj, *keys)) == wanted) is (operator != "!=")


def _field_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _equals(key: str, value: str) -> Requirement:
    return lambda labels: labels.get(key) == value


def _differs(key: str, value: str) -> Requirement:
    return lambda labels: labels.get(key) != value


def _within(key: str, values: set[str]) -> Requirement:
    return lambda labels: labels.get(key) in values


def _outside(key: str, values: set[str]) -> Requirement:
    return lambda labels: labels.get(key) not in values


def _there(key: str, wanted: bool) -> Requirement:
    return lambda labels: (key in labels) is wanted


def _compared(key: str, operator: str, value: str) -> Requirement:
    def holds(labels: Labels) -> bool:
        try:
            found, limit = int(labels.get(key, "")), int(value)
        except ValueError:
            return False
        return found > limit if operator == ">" else found < limit

    return holds


def _from_object(selector: Mapping[str, Any]) -> list[Requirement]:
    requirements = [_equals(key, value) for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or []:
        key, operator, values = expression["key"], expression["operator"], set(expression.get("values") or ())
        if operator in ("In", "NotIn"):
            requirements.append((_within if operator == "In" else _outside)(key, values))
        elif operator in ("Exists", "DoesNotExist"):
            requirements.append(_there(key, operator == "Exists"))
        else:
            raise bad_request(f'"{operator}" is not a valid label selector operator')
    return requirements


class _Parser:
    """The grammar of apimachinery's labels.Parse, with its messages."""

    def __init__(self, text: str) -> None:
        self.tokens = _TOKEN.findall(text)
        self.position = 0

    def requirements(self) -> list[Requirement]:
        found: list[Requirement] = []
        while self.position < len(self.tokens):
            found.append(self._requirement())
            if self.position < len(self.tokens):
                self._expect(",", "',' or 'end of string'")
        return found

    def _next(self) -> str:
        token: str = self.tokens[self.position] if self.position < len(self.tokens) else ""
        self.position += 1
        return token

    def _peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def _expect(self, token: str, named: str) -> None:
        found = self._next()
        if found != token:
            raise _unparsed(found, named)

    def _identifier(self, named: str = "identifier") -> str:
        token = self._next()
        if not token or token in _OPERATORS:
            raise _unparsed(token, named)
        return token

    def _requirement(self) -> Requirement:
        if self._peek() == "!":
            self._next()
            return _there(self._identifier(), False)
        key = self._identifier("!, identifier, or 'end of string'")
        operator = self._peek()
        if operator in ("", ","):
            return _there(key, True)
        self._next()
        return self._comparison(key, operator)

    def _comparison(self, key: str, operator: str) -> Requirement:
        if operator in ("in", "notin"):
            return (_within if operator == "in" else _outside)(key, self._values())
        if operator in ("=", "=="):
            return _equals(key, self._value())
        if operator == "!=":
            return _differs(key, self._value())
        if operator in (">", "<"):
            return _compared(key, operator, self._value())
        raise _unparsed(operator, "in, notin, =, ==, !=, gt, lt")

    def _value(self) -> str:
        """An empty value is allowed: `app=` selects the empty label."""
        return "" if self._peek() in ("", ",") else self._identifier()

    def _values(self) -> set[str]:
        self._expect("(", "'('")
        values = {self._identifier()}
        while self._peek() == ",":
            self._next()
            values.add(self._identifier())
        self._expect(")", "',' or ')'")
        return values


def _unparsed(found: str, expected: str) -> StatusError:
    return bad_request(f"unable to parse requirement: found '{found}', expected: {expected}")
