"""Text: kept exactly or refused, and compared alike in every script."""

import pytest
from mcp_todo_server.tasks.text import LINE_BREAKS, fold, refuse_control_characters


@pytest.mark.parametrize("text", ["plain", "🥛🧑\u200d🚀", "مرحبا", "e\u0301", "\u202eabc", "a\u00a0b", ""])
def test_ordinary_text_of_any_script_is_returned_as_it_is(text: str) -> None:
    assert refuse_control_characters(text) == text


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\x9f", chr(0xD800), chr(0xDFFF)])
def test_control_characters_and_lone_surrogates_are_refused_by_name_and_place(character: str) -> None:
    with pytest.raises(ValueError, match=rf"U\+{ord(character):04X} is at place 3"):
        refuse_control_characters(f"ab{character}", allowed=LINE_BREAKS)


@pytest.mark.parametrize("character", ["\n", "\t", "\r\n"])
def test_line_breaks_are_for_texts_of_several_lines(character: str) -> None:
    assert refuse_control_characters(f"a{character}b", allowed=LINE_BREAKS)
    with pytest.raises(ValueError, match="control characters"):
        refuse_control_characters(f"a{character}b")


@pytest.mark.parametrize(
    ("one", "other"),
    [("Straße", "STRASSE"), ("MÜLK", "mülk"), ("e\u0301", "É"), ("ﬁle", "FILE"), ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("Ａ", "a")],
)
def test_texts_that_differ_by_case_or_form_alone_fold_alike(one: str, other: str) -> None:
    assert fold(one) == fold(other)
