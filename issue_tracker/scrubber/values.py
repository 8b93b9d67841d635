"""Where a value in free text begins and ends: in quotes of any kind, in brackets, or bare. Pure.

Linear over all questions asked of one text: brackets are paired once, the end of a line is remembered, and look-backs
are bounded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from .formats import MASK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .formats import Span

MAX_SOURCE_LINE: Final = 1_024
"""Characters of a line that a traceback quotes; longer ones aren't taken for source."""

QUOTE: Final = r"(?:\\*+[\"']|\\*+u002[27]|&quot;|&\#(?:39|34|x27|x22);|%2[27])"
_OPENING: Final = re.compile(rf"[bBrRuUfF]{{0,2}}(?P<quote>{QUOTE})")
QUOTES: Final = {quote: re.compile(rf"(?:[^{quote}\\\n]|\\[^\n]|{quote}{quote}|\\\Z)*+") for quote in ("'", '"')}
_BETWEEN: Final = r"(?=[\s,;)\]}\"'.]|\Z|[ ]?[\w.%\[\]-]{1,40}+[=:]|amp;)"
BARE: Final = re.compile(rf"(?:[^\s\"'<>`&;,)\]}}\\]|[&;,)\]}}](?!{_BETWEEN})|\\(?![\"']))++")
BARE_ESCAPED: Final = re.compile(r"(?:[^\s\"'<>`&%]|%(?!26|22|27|0A|0D|2C))++", re.IGNORECASE)
_LINE: Final = re.compile(r"(?:[^\r\n\\]|\\(?![rn]))*+")
_DOUBLE: Final = r"\"(?:[^\"\\\n]|\\.)*+(?:\"|(?P<double>))"
_SINGLE: Final = r"(?<!\w)'(?:[^'\\\n]|\\.)*+(?:'|(?P<single>))"
_ANY_BRACKET: Final = re.compile(r"[\[({\])}]")
_BRACKETS: Final = {
    "": re.compile(rf"[\[({{\])}}]|{_DOUBLE}|{_SINGLE}"),
    "double": re.compile(rf"[\[({{\])}}]|{_SINGLE}"),
    "single": re.compile(rf"[\[({{\])}}]|{_DOUBLE}"),
}
"""Brackets and quoted strings, by the quote that is known to be closed nowhere in the line.

Where one isn't, none of its like behind it is: all are escaped. To try each would cost the square of the line's length.
"""
OPENINGS: Final = frozenset("[{(")
_FRAME: Final = re.compile(r"\", line \d+")


class Values:
    """The text, where the value that begins at a place ends, and which brackets belong together."""

    __slots__ = ("_closings", "_line", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._closings: dict[int, int] | None = None
        self._line: Span = (0, -1)

    def quoted(self, position: int) -> Span | None:
        """Return the inside of the quoted value that begins here; one that isn't closed takes the rest of the line."""
        opening = _OPENING.match(self.text, position)
        if opening is None:
            return None
        begin, quote = opening.end(), opening["quote"]
        if quote in QUOTES:
            return begin, end_of(QUOTES[quote], self.text, begin)
        return begin, self._end_of_escaped(begin, quote)

    def _end_of_escaped(self, begin: int, quote: str) -> int:
        """Find the same quote again, or one with fewer backslashes: that is where the text around it ends."""
        end_of_line = self.end_of_line(begin)
        if quote[-1] not in QUOTES:
            found = self.text.find(quote, begin, end_of_line)
            return found if found >= 0 else end_of_line
        at = self.text.find(quote[-1], begin, end_of_line)
        while at >= 0:
            slashes = at - len(self.text[max(begin, at - len(quote)) : at].rstrip("\\")) - max(begin, at - len(quote))
            if slashes < len(quote):
                return at - slashes
            at = self.text.find(quote[-1], at + 1, end_of_line)
        return end_of_line

    def bracketed(self, position: int) -> Span | None:
        """Return the value in brackets that begins here; one that isn't closed goes on to the end of the line."""
        if self.text[position : position + 1] not in OPENINGS:
            return None
        if self.text.startswith(MASK, position):
            return position, position + len(MASK)
        if self._closings is None:
            # Brackets within quotes count where nothing else closes: the text itself may be quoted.
            everywhere = _ANY_BRACKET.finditer(self.text)
            self._closings = _closings_of(everywhere) | _closings_of(_outside_quotes(self.text, 0, len(self.text), ""))
        return position, self._closings.get(position) or self.end_of_line(position)

    def bare(self, position: int, pattern: re.Pattern[str] = BARE) -> Span | None:
        """Return the word that begins here, with what belongs to it."""
        found = pattern.match(self.text, position)
        return found.span() if found else None

    def end_of_line(self, position: int) -> int:
        """Return where the line ends, be it written as \\r or \\n; the last answer is remembered."""
        begin, end = self._line
        if not begin <= position <= end:
            end = end_of(_LINE, self.text, position)
            self._line = position, end
        return end

    def is_source(self, position: int) -> bool:
        """Tell whether this stands in a source line that a traceback quotes: there a bare word is a name, no value."""
        begin = self.text.rfind("\n", max(0, position - MAX_SOURCE_LINE), position) + 1
        for _ in range(8):
            if begin == 0 or not self.text.startswith("    ", begin):
                return False
            above = self.text.rfind("\n", max(0, begin - MAX_SOURCE_LINE), begin - 1) + 1
            if _FRAME.search(self.text, above, begin):
                return True
            begin = above
        return False


def _outside_quotes(text: str, begin: int, end: int, open_quote: str) -> Iterator[re.Match[str]]:
    """Yield the brackets that stand outside of quoted strings, in order."""
    for found in _BRACKETS[open_quote].finditer(text, begin, end):
        if len(found[0]) == 1 and not found.lastgroup:
            yield found
        elif found.lastgroup and open_quote:
            yield from _ANY_BRACKET.finditer(text, found.start() + 1, found.end())
        elif found.lastgroup:
            yield from _outside_quotes(text, found.start() + 1, found.end(), found.lastgroup)


def _closings_of(brackets: Iterable[re.Match[str]]) -> dict[int, int]:
    """Pair brackets: begin of one -> end of its partner."""
    closings: dict[int, int] = {}
    opened: list[int] = []
    for found in brackets:
        if found[0] in OPENINGS:
            opened.append(found.start())
        elif opened:
            closings[opened.pop()] = found.end()
    return closings


def end_of(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Return where a match that begins at a position ends; the position itself where there is none."""
    found = pattern.match(text, position)
    return found.end() if found else position
