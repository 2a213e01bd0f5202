"""What checks and gates say exists in Japanese; what is missing is counted here."""

from __future__ import annotations

import string

import pytest

from pgnb.core.checks import Check, Checks
from pgnb.core.journal import Journal
from pgnb.core.translation import VARIABLE, catalogue, language, translated
from pgnb.runbook.catalogue import notebooks
from pgnb.runbook.params import declared
from tests.unit.core.texts import texts

COMPUTED = 85
"""Texts that are put together elsewhere, at most: they are translated where their parts are."""


def test_nothing_that_a_check_says_lacks_a_translation() -> None:
    known = catalogue("ja")
    missing = sorted({text.template for text in texts() if text.template and text.template not in known})
    assert missing == [], f"{len(missing)} texts lack a translation in pgnb/locale/ja.yaml"


def test_no_help_of_a_parameter_lacks_a_translation() -> None:
    known = catalogue("ja")
    of_all = [parameter for path in notebooks().values() for parameter in declared(path)]
    missing = sorted({parameter.help for parameter in of_all if parameter.help not in known})
    assert missing == [], f"{len(missing)} texts lack a translation in pgnb/locale/ja.yaml"


def test_few_texts_are_computed_elsewhere() -> None:
    assert len([text for text in texts() if text.template is None]) <= COMPUTED


def test_every_translation_has_the_parts_that_vary() -> None:
    varying = {text: own for text, own in catalogue("ja").items() if "{}" in text}
    for text, own in varying.items():
        used = {name for _, name, _, _ in string.Formatter().parse(own) if name is not None}
        assert used <= {str(at) for at in range(text.count("{}"))}, text


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({VARIABLE: "ja"}, "ja"),
        ({VARIABLE: "en", "LANG": "ja_JP.UTF-8"}, "en"),
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LC_ALL": "C", "LANG": "ja_JP.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_the_language_is_that_of_the_variable_or_of_the_locale(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (VARIABLE, "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert language() == expected


def test_a_check_is_shown_in_the_readers_language_and_journalled_in_english(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, "ja")
    shown = str(Checks.of("x", [Check("confirmed by allow_restart", False, 1, 2)], Journal()))
    assert "allow_restartによる確認" in shown and "confirmed by allow_restart" in shown
    assert "✗ 不合格" in shown


def test_parts_that_vary_are_put_where_the_translation_has_them() -> None:
    assert translated("confirmed by allow_restart", "ja") == "allow_restartによる確認"
    assert translated("no such text", "ja") == "no such text"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "A restart interrupts the service, because x. To allow it, set the parameter y = True.",
            "再起動により、サービスが中断します(理由: x)。"
            "許可するには、パラメータy = Trueを設定してください。",
        ),
        ("slot a: what nobody has translated.", "slot a: what nobody has translated."),
        ("pg-1: rows in shop", "pg-1: shopの行数"),
    ],
)
def test_a_text_is_taken_apart_only_where_its_parts_join(text: str, shown: str) -> None:
    assert translated(text, "ja") == shown
