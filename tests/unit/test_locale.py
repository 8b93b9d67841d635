"""The translations that ship: complete as far as they go, and compiled from what stands beside them."""

from __future__ import annotations

import ast
import gettext
import re
from pathlib import Path

import pytest

import issue_tracker

CATALOGUES = sorted((Path(issue_tracker.__file__).parent / "locale").glob("*/LC_MESSAGES/django.po"))


def entries_of(catalogue: Path) -> dict[str, list[str]]:
    """Return the texts of a catalogue, each with its translations, one for each plural form."""
    found: dict[str, list[str]] = {}
    for block in catalogue.read_text(encoding="utf-8").split("\n\n"):
        texts = re.findall(r'^(msgid|msgstr)(?:\[\d\])? ((?:".*"\n?)+)', block + "\n", re.MULTILINE)
        words = [(kind, "".join(ast.literal_eval(line) for line in lines.splitlines())) for kind, lines in texts]
        if words and "#~" not in block:
            found[words[0][1]] = [word for kind, word in words if kind == "msgstr"]
    return found


@pytest.mark.parametrize("catalogue", CATALOGUES, ids=lambda path: path.parent.parent.name)
def test_every_text_is_translated_and_compiled(catalogue: Path) -> None:
    """`make messages` collects new texts and compiles; an empty or unsure translation is shown in English."""
    entries = entries_of(catalogue)
    with catalogue.with_suffix(".mo").open("rb") as stream:
        compiled = gettext.GNUTranslations(stream)

    assert [text for text, translations in entries.items() if not all(translations)] == []
    assert "fuzzy" not in catalogue.read_text(encoding="utf-8")
    assert len(entries) > 100
    for text, translations in entries.items():
        assert (compiled.gettext(text) if len(translations) == 1 else compiled.ngettext(text, "", 1)) == translations[0]


@pytest.mark.parametrize("catalogue", CATALOGUES, ids=lambda path: path.parent.parent.name)
def test_translations_keep_what_is_filled_in(catalogue: Path) -> None:
    """A placeholder that is lost or misspelt would break the page in that language."""
    for text, translations in entries_of(catalogue).items():
        wanted = placeholders_of(text)

        if text:
            assert [placeholders_of(translation) for translation in translations] == [wanted] * len(translations)


def placeholders_of(text: str) -> set[str]:
    """Return what is filled into a text."""
    return set(re.findall(r"%(?:\(\w+\))?\d*[sd]|\{\w*\}|</?\w+>", text))
