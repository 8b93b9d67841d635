"""Secrets that stand beside a name in free text: key=value, "key": "value", headers, tags, flags, SQL, query strings.

Pure: text in, spans out; which names are secret is the caller's to say. Linear: a name is read once (possessive), a value
ends the search for further names inside it, and brackets are paired once a text. A value never passes the end of its line,
but for one in brackets.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from .secret_formats import MASK, MIN_RANDOM_CHARACTERS, looks_random
from .secret_names import PHRASE_TAILS, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .secret_formats import Span

MAX_WORD_BEFORE: Final = 24
"""Characters before a name in which its first word is looked for: "api key: …"."""

MAX_SOURCE_LINE: Final = 1_024
"""Characters of a line that a traceback quotes; longer ones aren't taken for source."""

MAX_SECRETS: Final = 1_000
"""Values masked one by one in a text; a text with more of them is masked to its end, so that its cost is bounded."""

_QUOTE: Final = r"(?:\\*+[\"']|\\*+u002[27]|&quot;|&\#(?:39|34|x27|x22);|%2[27])"
_TYPES: Final = r"(?:str|bytes|int|SecretStr|Secret|Any|object|Optional\[str\]|str[ ]\|[ ]None|Final|Final\[str\])"
_PAIR: Final = re.compile(
    rf"""
    (?<![\w.-]) (?P<key>[\w.-]++)
    (?P<quote>{_QUOTE})?+ (?:\]|%5D)?+ [ \t]{{0,8}}+
    (?P<sep>=>|:=|={{1,3}}(?!=)|:[ \t]{{0,4}}{_TYPES}[ \t]{{0,4}}=(?!=)|:(?!:)|%3[DA]|(?:is|was)[ \t])
    [ \t]{{0,8}}+
    """,
    re.VERBOSE | re.IGNORECASE,
)
_OPENING: Final = re.compile(rf"[bBrRuUfF]{{0,2}}(?P<quote>{_QUOTE})")
_BODIES: Final = {
    quote: re.compile(rf"(?:[^{quote}\\\n]|\\[^\n]|{quote}{quote}|\\\Z)*+") for quote in ("'", '"')
}
_BETWEEN: Final = r"(?=[\s,;)\]}\"'.]|\Z|[ ]?[\w.%\[\]-]{1,40}+[=:]|amp;)"
_BARE: Final = re.compile(rf"(?:[^\s\"'<>`&;,)\]}}\\]|[&;,)\]}}](?!{_BETWEEN})|\\(?![\"']))++")
_BARE_ESCAPED: Final = re.compile(r"(?:[^\s\"'<>`&%]|%(?!26|22|27|20|0A|0D|2C))++", re.IGNORECASE)
_LINE: Final = re.compile(r"(?:[^\r\n\\]|\\(?![rn]))*+")
_BRACKET: Final = re.compile(r"[\[({]|[\])}]|\"(?:[^\"\\\n]|\\.)*+\"|(?<!\w)'(?:[^'\\\n]|\\.)*+'")
_ANY_BRACKET: Final = re.compile(r"[\[({\])}]")

_OPENINGS: Final = frozenset("[{(")
_FIRST_OF_QUOTED: Final = frozenset("'\"\\&%bBrRuUfF")

_WHOLE_LINE: Final = frozenset({"authorization", "proxyauthorization", "cookie", "setcookie", "passphrase", "mnemonic"})
"""Names whose value is the rest of the line: headers, and secrets made of several words."""
_PHRASES: Final = ("phrase",)

_LITERALS: Final = frozenset("none null nil true false yes no on off undefined empty unset".split())
_PROSE: Final = frozenset(
    "must is not was has are the a an this that invalid expired missing required unknown wrong incorrect too please may "
    "should cannot can't could expected got field only at for in of with from str int bytes bool optional object any".split()
)
_REFERENCE: Final = re.compile(r"(?:self|cls|settings|os|request|kwargs|args)[.\[(]\w")
_CODE: Final = re.compile(r"(?:await )?[A-Za-z_][\w.]*+(?:\Z|[(\[,)\]:}])")
_FRAME: Final = re.compile(r"\", line \d+")

_FLAG: Final = re.compile(r"--(?P<key>[A-Za-z][\w-]{1,40})(?:[\"'],[ ]?(?=[bru]?[\"'])|[ ]{1,4}(?=[^\s-]))")
_TUPLE: Final = re.compile(r"[(\[][bru]?([\"'])(?P<key>[\w.-]{2,64})\1,[ ]?(?=[bru]?[\"'])")
_TAG: Final = re.compile(r"<(?:[\w-]{1,32}:)?(?P<key>[A-Za-z][\w.-]{1,63})(?:\s[^<>\n]{0,200})?>(?P<value>[^<\n]++)")
_INPUT: Final = re.compile(r"name=[\"']?(?P<key>[\w.\[\]-]{2,64})[\"']?[^<>\n]{0,100}?\svalue=(?=[\"'])")
_SQL: Final = re.compile(
    r"(?i)(?:\bidentified\s{1,4}(?:with\s{1,4}\S{1,64}\s{1,4})?(?:by|as)\s{1,4}(?:password\s{1,4})?|\bpassword[ \t]{1,4}\(?)(?=['\"])"
)
_CURL: Final = re.compile(r"(?<!\S)(?:-u|--user)[ =][\"']?(?P<value>[^\s:\"']{1,64}:[^\s\"']++)")
_MYSQL: Final = re.compile(r"(?<=[ '\"])-p(?P<value>[^\s'\",]++)")


def spans_of_pairs(text: str, verdict_of: Callable[[str], Verdict]) -> Iterator[Span]:
    """Find the values of all names that `verdict_of` calls secret; spans may overlap."""
    values = _Values(text)
    yield from _assignments(values, verdict_of)
    yield from _special(values, verdict_of)


class _Values:
    """The text, where the value that begins at a place ends, and which brackets belong together."""

    __slots__ = ("_closings", "_line", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._closings: dict[int, int] | None = None
        self._line: Span = (0, -1)

    def quoted(self, position: int) -> Span | None:
        """Return the inside of the quoted value that begins here; one that isn't closed goes on to the end of the line."""
        opening = _OPENING.match(self.text, position)
        if opening is None:
            return None
        begin, quote = opening.end(), opening["quote"]
        if quote in _BODIES:
            return begin, _end_of(_BODIES[quote], self.text, begin)
        return begin, self._end_of_escaped(begin, quote)

    def _end_of_escaped(self, begin: int, quote: str) -> int:
        """Find the same quote again, or one with fewer backslashes: that is where the text around it ends."""
        end_of_line = self.end_of_line(begin)
        if quote[-1] not in _BODIES:
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
        if self.text[position : position + 1] not in _OPENINGS:
            return None
        if self.text.startswith(MASK, position):
            return position, position + len(MASK)
        if self._closings is None:
            # Brackets within quotes count where nothing else closes: the text itself may be quoted.
            self._closings = _closings_of(self.text, _ANY_BRACKET) | _closings_of(self.text, _BRACKET)
        return position, self._closings.get(position) or self.end_of_line(position)

    def bare(self, position: int, pattern: re.Pattern[str] = _BARE) -> Span | None:
        """Return the word that begins here, with what belongs to it."""
        found = pattern.match(self.text, position)
        return found.span() if found else None

    def end_of_line(self, position: int) -> int:
        """Return where the line ends, line ends that are written as \\r or \\n included; the last answer is remembered."""
        begin, end = self._line
        if not begin <= position <= end:
            end = _end_of(_LINE, self.text, position)
            self._line = position, end
        return end

    def is_source(self, position: int) -> bool:
        """Tell whether this stands in a source line that a traceback quotes: there a bare word is a name, not a value."""
        begin = self.text.rfind("\n", max(0, position - MAX_SOURCE_LINE), position) + 1
        for _ in range(8):
            if begin == 0 or not self.text.startswith("    ", begin):
                return False
            above = self.text.rfind("\n", max(0, begin - MAX_SOURCE_LINE), begin - 1) + 1
            if _FRAME.search(self.text, above, begin):
                return True
            begin = above
        return False


def _assignments(values: _Values, verdict_of: Callable[[str], Verdict]) -> Iterator[Span]:
    text, position, count = values.text, 0, 0
    for pair in _PAIR.finditer(text):
        if pair.start() < position:
            continue
        verdict = _verdict(pair, verdict_of)
        if verdict is Verdict.NEVER:
            continue
        span = _value(values, pair)
        if span is None or not _is_worth_masking(values, pair, span, verdict):
            continue
        count += 1
        if count > MAX_SECRETS:
            yield span[0], len(text)
            return
        yield span
        position = span[1]


def _verdict(pair: re.Match[str], verdict_of: Callable[[str], Verdict]) -> Verdict:
    key = pair["key"]
    verdict = verdict_of(key)
    if verdict is not Verdict.NEVER:
        return verdict
    text, begin = pair.string, pair.start()
    before = text[begin - 1 : begin]
    if before == "\\" and key[0] in "nrt":
        return verdict_of(key[1:])  # after a line end written as \n
    if before == " " and key.lower() in PHRASE_TAILS:
        words = text[max(0, begin - MAX_WORD_BEFORE) : begin].split()
        return verdict_of(f"{words[-1]}_{key}") if words else verdict
    return Verdict.MAYBE if before and before in "?&" and key in {"key", "code"} else verdict


def _value(values: _Values, pair: re.Match[str]) -> Span | None:
    position = pair.end()
    first = values.text[position : position + 1]
    if first in _FIRST_OF_QUOTED and (span := values.quoted(position)):
        return span
    if first in _OPENINGS:
        return values.bracketed(position)
    separator = pair["sep"]
    if separator in {":", "="} and _takes_line(pair["key"]):
        return position, _end_of_header(values, pair)
    return values.bare(position, _BARE_ESCAPED if separator[0] == "%" else _BARE)


@lru_cache(maxsize=256)
def _takes_line(key: str) -> bool:
    name = key.replace("-", "").lower()
    return name in _WHOLE_LINE or name.endswith(_PHRASES)


def _end_of_header(values: _Values, pair: re.Match[str]) -> int:
    end = values.end_of_line(pair.end())
    quote = pair.string[pair.start() - 1 : pair.start()]
    if quote in _BODIES:
        closing = pair.string.find(quote, pair.end(), end)
        end = closing if closing >= 0 else end
    return end


def _is_worth_masking(values: _Values, pair: re.Match[str], span: Span, verdict: Verdict) -> bool:
    begin, end = span
    value = values.text[begin : min(end, begin + 512)]
    if verdict is Verdict.MAYBE:
        return len(value) >= MIN_RANDOM_CHARACTERS and looks_random(value)
    if not value.strip(" \t[]{}()"):
        return False
    if begin > pair.end():
        return True
    if value[0] in _OPENINGS:
        return not values.is_source(begin) or "'" in value or '"' in value
    return not _is_word(values, pair, value, begin)


def _is_word(values: _Values, pair: re.Match[str], value: str, begin: int) -> bool:
    """Tell a bare value that is no value: None, an ordinary word of prose, a name in quoted source."""
    word = value.rstrip(".,;:!?)]}").lower()
    if word in _LITERALS or word == pair["key"].lower() or _REFERENCE.match(value):
        return True
    separator = pair["sep"]
    if separator[0] in "iwIW" and not any(map(str.isdigit, value)):
        return True
    if separator == ":" and word in _PROSE and values.text[begin - 1 : begin] == " ":
        return True
    return bool(_CODE.match(value)) and values.is_source(begin)


def _special(values: _Values, verdict_of: Callable[[str], Verdict]) -> Iterator[Span]:
    """Find what is written without a separator: tags, flags, tuples, forms, SQL, commands."""
    text = values.text
    if "</" in text:
        yield from (m.span("value") for m in _TAG.finditer(text) if verdict_of(m["key"]) is Verdict.ALWAYS and m["value"].strip())
    if "--" in text:
        yield from _values_after(_FLAG, values, verdict_of)
    if "', " in text or '", ' in text or "','" in text or '","' in text:
        yield from _values_after(_TUPLE, values, verdict_of)
    if "value=" in text:
        yield from _values_after(_INPUT, values, verdict_of)
    low = text.lower()
    if "identified" in low or "password" in low:
        yield from (span for m in _SQL.finditer(text) if (span := values.quoted(m.end())))
    if "-u " in text or "--user" in text:
        yield from (m.span("value") for m in _CURL.finditer(text))
    if "mysql" in low or "maria" in low:
        yield from (m.span("value") for m in _MYSQL.finditer(text))


def _values_after(pattern: re.Pattern[str], values: _Values, verdict_of: Callable[[str], Verdict]) -> Iterator[Span]:
    for m in pattern.finditer(values.text):
        if verdict_of(m["key"]) is not Verdict.ALWAYS:
            continue
        span = values.quoted(m.end()) or values.bracketed(m.end()) or values.bare(m.end())
        if span is not None and span[0] < span[1] and not (pattern is _TUPLE and are_names(m["key"], values.text[slice(*span)])):
            yield span


def are_names(first: str, second: str) -> bool:
    """Tell ("password", "email"), two names of fields, from ("password", "hunter2") and ("X-Api-Key", "abc")."""
    return first.isidentifier() and second.replace("_", "").isalpha() and second.islower()


def _closings_of(text: str, brackets: re.Pattern[str]) -> dict[int, int]:
    """Pair the brackets of a text: begin of one -> end of its partner."""
    closings: dict[int, int] = {}
    opened: list[int] = []
    for found in brackets.finditer(text):
        mark = found[0]
        if mark in "[{(":
            opened.append(found.start())
        elif mark in "]})" and opened:
            closings[opened.pop()] = found.end()
    return closings


def _end_of(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position
