"""Texts that people decide by, in the reader's language: looked up when they are shown, by one catalogue.

The code makes its texts in English, and the journal keeps them so. `pgnb/locale/LANGUAGE.yaml` has a
translation for each: a mapping of an English text to its own, where `{}` stands for what varies, and `{0}`,
`{1}`, … in the translation for those parts in their order. A text that has no translation is shown as it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

VARIABLE = "PGNB_LANG"
"""Which language: en or ja; without it, that of the locale (LC_ALL, LC_MESSAGES, LANG)."""
LANGUAGES = ("en", "ja")
_SLOT = "{}"
_ANY = "(.*?)"
_NAME = r"(.*?)(?<!\.)"
_SENTENCE = r"((?:(?!\. [A-Z]).)*?)"


def language() -> str:
    """Return the reader's language: that of `PGNB_LANG`, or of a locale that has a catalogue; else en."""
    named = os.environ.get(VARIABLE, "")
    given = [named] if named else [os.environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG")]
    spoken = next((text for text in given if text), "")[:2].lower()
    return spoken if spoken in LANGUAGES else "en"


def translated(text: str, into: str = "") -> str:
    """Return a text in the reader's language, or `into` another one; itself where there is no translation."""
    into = into or language()
    return text if into == "en" or not text else _lookup(into, text)


def catalogue(of: str) -> Mapping[str, str]:
    """Return the translations of a language, by the English text."""
    import yaml  # Only a reader of another language needs it.

    file = files("pgnb") / "locale" / f"{of}.yaml"
    found: Mapping[str, str] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return found


@cache
def _lookup(into: str, text: str) -> str:
    plain, patterns = _prepared(into)
    if text in plain:
        return plain[text]
    for pattern, translation in patterns:
        if found := pattern.fullmatch(text):
            return translation.format(*(translated(part, into) for part in found.groups()))
    lines = text.split("\n")
    return "\n".join(_lookup(into, line) for line in lines) if len(lines) > 1 else text


@cache
def _prepared(of: str) -> tuple[Mapping[str, str], tuple[tuple[re.Pattern[str], str], ...]]:
    """Texts without varying parts, and patterns of the others: the more of a text is fixed, the sooner."""
    entries = catalogue(of)
    varying = sorted((text for text in entries if _SLOT in text), key=lambda text: -len(text))
    return (
        {text: own for text, own in entries.items() if _SLOT not in text},
        tuple((_pattern(text), entries[text]) for text in varying),
    )


def _pattern(template: str) -> re.Pattern[str]:
    """Match what a template stands for, and no more.

    Its last part takes no further sentence after its own: otherwise a short name, such as "slot {}", or a
    reason that ends in one, would take apart a sentence that it only begins. Punctuation alone ("{}: {}")
    spans no lines.
    """
    *parts, end = template.split(_SLOT)
    pattern = _ANY.join(re.escape(part) for part in parts)
    if parts:
        pattern += {"": _NAME if ". " not in template else _ANY, ".": _SENTENCE}.get(end, _ANY)
    fixed = any(letter.isalpha() for letter in template)
    return re.compile(pattern + re.escape(end), re.DOTALL if fixed else 0)
