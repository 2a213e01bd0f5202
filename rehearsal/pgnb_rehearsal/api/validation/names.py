"""The forms of names, and what is said about one that has another form (apimachinery's util/validation)."""

from __future__ import annotations

import re
from collections.abc import Callable

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_LABEL_VALUE = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

NameRule = Callable[[str], list[str]]


def _form(text: str, examples: str, pattern: str) -> str:
    return f"{text} (e.g. {examples}, regex used for validation is '{pattern}')"


def _matching(value: str, pattern: str, longest: int, text: str) -> list[str]:
    errors = [f"must be no more than {longest} characters"] if len(value) > longest else []
    return errors if re.fullmatch(pattern, value) else [*errors, text]


def dns_subdomain(value: str) -> list[str]:
    """What is wrong with a name that must be a DNS subdomain (RFC 1123)."""
    text = _form(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
        "must start and end with an alphanumeric character",
        "'example.com'",
        _SUBDOMAIN,
    )
    return _matching(value, _SUBDOMAIN, 253, text)


def cron_job_name(value: str) -> list[str]:
    """What is wrong with the name of a CronJob: its Jobs' names are eleven characters longer."""
    errors = ["must be no more than 52 characters"] if len(value) > 52 else []
    return [*dns_subdomain(value), *errors]


def dns_label(value: str) -> list[str]:
    """What is wrong with a name that must be a DNS label (RFC 1123)."""
    text = _form(
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
        "start and end with an alphanumeric character",
        "'my-name',  or '123-abc'",
        _LABEL,
    )
    return _matching(value, _LABEL, 63, text)


def dns_label_1035(value: str) -> list[str]:
    """What is wrong with the name of a Service."""
    text = _form(
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
        "alphabetic character, and end with an alphanumeric character",
        "'my-name',  or 'abc-123'",
        _LABEL_1035,
    )
    return _matching(value, _LABEL_1035, 63, text)


def path_segment(value: str) -> list[str]:
    """What is wrong with a name that only has to fit into a path (roles and bindings)."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{bad}'" for bad in "/%" if bad in value]


def config_key(value: str) -> list[str]:
    """What is wrong with a key of a ConfigMap or Secret."""
    text = _form(
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        "'key.name',  or 'KEY_NAME',  or 'key-name'",
        _CONFIG_KEY,
    )
    errors = _matching(value, _CONFIG_KEY, 253, text)
    if value == ".":
        errors.append("must not be '.'")
    elif value.startswith(".."):
        errors.append("must not be '..'" if value == ".." else "must not start with '..'")
    return errors


def env_name(value: str) -> list[str]:
    """What is wrong with the name of an environment variable (relaxed: any printable ASCII but '=')."""
    if value and all(" " <= char <= "~" and char != "=" for char in value):
        return []
    return [
        "a valid environment variable name must consist only of printable ASCII characters other than '='"
    ]


def label_value(value: str) -> list[str]:
    """What is wrong with a label's value."""
    text = _form(
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
        "must start and end with an alphanumeric character",
        "'MyValue',  or 'my_value',  or '12345'",
        _LABEL_VALUE,
    )
    return _matching(value, _LABEL_VALUE, 63, text)


def qualified_name(value: str) -> list[str]:
    """What is wrong with the key of a label or annotation, or with a finalizer."""
    prefix, slash, name = value.rpartition("/")
    errors = []
    if slash and not prefix:
        errors.append("prefix part must be non-empty")
    elif slash:
        errors = [f"prefix part {error}" for error in dns_subdomain(prefix)]
    if not name:
        return [*errors, "name part must be non-empty"]
    text = _form(
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
        "alphanumeric character",
        "'MyName',  or 'my.name',  or '123-abc'",
        _QUALIFIED,
    )
    return [*errors, *_matching(name, _QUALIFIED, 63, text)]
