"""Rule selection; the rows of the table were tried against ruff 0.17 with its own rules."""

from __future__ import annotations

import pytest

from h2dlint.engine.selectors import RuleIndex, UnknownSelectorError, selected_codes
from h2dlint.engine.settings import Selection, Settings

NAMES = {
    "HTD101": "one",
    "HTD102": "two-words",
    "HTD111": "three",
    "HTD201": "four",
}


def layer(select: str | None = None, ignore: str = "", extend: str = "") -> Selection:
    chosen = None if select is None else tuple(select.split())
    return Selection(chosen, tuple(ignore.split()), tuple(extend.split()))


LAYERS = [
    ([layer("HTD")], "101 102 111 201"),
    ([layer("ALL")], "101 102 111 201"),
    ([layer("")], ""),
    ([layer("HTD1")], "101 102 111"),
    ([layer("HTD10")], "101 102"),
    ([layer("HTD101")], "101"),
    ([layer("two-words")], "102"),
    ([layer("HTD", "HTD101")], "102 111 201"),
    ([layer("HTD10", "HTD101")], "102"),
    ([layer("HTD101", "HTD10")], "101"),  # The more specific selector wins, whichever list it is in.
    ([layer("HTD101", "HTD101")], ""),
    ([layer("HTD", "HTD")], ""),
    ([layer("HTD", "ALL")], "101 102 111 201"),
    ([layer("ALL", "HTD1", "HTD101")], "101 201"),
    ([layer("HTD1", "one")], "102 111"),
    ([layer("HTD101", extend="HTD2")], "101 201"),
    # The command line lies on top.
    ([layer("HTD101"), layer(ignore="HTD")], ""),
    ([layer("HTD", "HTD101"), layer("HTD")], "101 102 111 201"),
    ([layer("HTD", "HTD101"), layer(extend="HTD101")], "101 102 111 201"),
    ([layer("HTD", "HTD101"), layer(extend="HTD")], "101 102 111 201"),
    ([layer("HTD101", extend="HTD2"), layer("HTD111")], "111"),
    ([layer("HTD", "HTD101"), layer("HTD", "HTD2")], "101 102 111"),
    ([layer("HTD101"), layer(extend="HTD2", ignore="HTD101")], "201"),
]


@pytest.mark.parametrize(("layers", "expected"), LAYERS)
def test_resolve(layers: list[Selection], expected: str) -> None:
    found = RuleIndex(NAMES).resolve(layers)
    assert sorted(found) == [f"HTD{number}" for number in expected.split()]


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("HTD999", 'unknown rule "HTD999"'),
        ("HTD10l", 'unknown rule "HTD10l"; did you mean "HTD101"?'),
        ("htd101", 'unknown rule "htd101"; did you mean "HTD101"?'),
        ("all", 'unknown rule "all"; did you mean "ALL"?'),
        ("HTD9", 'unknown rule "HTD9"; did you mean "HTD"?'),
        ("two-word", 'unknown rule "two-word"; did you mean "two-words"?'),
        ("two_words", 'unknown rule "two_words"; did you mean "two-words"?'),
        ("H", 'unknown rule "H"'),
        ("HT", 'unknown rule "HT"; did you mean "HTD"?'),
        ("HTD1011", 'unknown rule "HTD1011"; did you mean "HTD101"?'),
        ("", 'unknown rule ""'),
        ("xyzzy", 'unknown rule "xyzzy"'),
    ],
)
def test_unknown_selector(selector: str, message: str) -> None:
    with pytest.raises(UnknownSelectorError) as error:
        RuleIndex(NAMES).match(selector)
    # Where several are equally near any of them will do; the text before the hint must be exact.
    assert str(error.value).startswith(message.split(";")[0])
    assert ("did you mean" in str(error.value)) >= ("did you mean" in message)
    if error.value.suggestion:
        RuleIndex(NAMES).match(error.value.suggestion)


def test_settings_are_two_layers() -> None:
    settings = Settings(select=("HTD1",), ignore=("HTD101",), command_line=Selection(None, ("HTD111",)))
    assert selected_codes(settings, NAMES) == {"HTD102"}
