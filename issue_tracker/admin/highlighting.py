"""Code and JSON as highlighted HTML: Pygments with classes, no style attribute, every character escaped by Pygments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.utils.html import escape
from django.utils.safestring import mark_safe
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import JsonLexer, PythonLexer

if TYPE_CHECKING:
    from django.utils.safestring import SafeString
    from pygments.lexer import Lexer

MAX_HIGHLIGHTED: Final = 16_000
"""Characters that are highlighted; longer text is shown plain. Ours: about 10 ms of lexing."""

LEXERS: Final[dict[str, Lexer]] = {
    "python": PythonLexer(stripnl=False, ensurenl=False),
    "json": JsonLexer(stripnl=False, ensurenl=False),
}

FORMATTER: Final = HtmlFormatter[str](nowrap=True)


def highlighted(text: str, language: str) -> SafeString:
    """Return text as HTML with Pygments' classes; plain, escaped, where the language is unknown or the text long."""
    if language not in LEXERS or len(text) > MAX_HIGHLIGHTED:
        return escape(text)
    return mark_safe(highlight(text, LEXERS[language], FORMATTER))  # noqa: S308  Pygments escapes; a test feeds it markup  # nosec B308, B703
