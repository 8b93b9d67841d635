"""Secrets that stand beside a name in free text: key=value, "key": "value", headers, tags, flags, SQL, query strings.

Pure: text in, spans out; which names are secret is the caller's to say. Linear: a name is read once (possessive), a
value ends the search for further names inside it, and brackets are paired once a text. A value never passes the end
of its line, but for one in brackets.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from .formats import MIN_RANDOM_CHARACTERS, looks_random
from .names import PHRASE_TAILS, Verdict, words_in
from .values import BARE, BARE_ESCAPED, OPENINGS, QUOTE, QUOTES, Values, end_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .formats import Span

MAX_WORD_BEFORE: Final = 24
"""Characters before a name in which its first word is looked for: "api key: …"."""

MAX_SECRETS: Final = 1_000
"""Values masked one by one in a text; a text with more of them is masked to its end, so that its cost is bounded."""

_TYPES: Final = r"(?:str|bytes|int|SecretStr|Secret|Any|object|Optional\[str\]|str[ ]\|[ ]None|Final|Final\[str\])"
_PAIR: Final = re.compile(
    rf"""
    (?<![\w.-]) (?P<key>[\w.-]++)
    (?P<quote>{QUOTE})?+ (?:[\])]|%5D)?+ [ \t]{{0,8}}+
    (?P<sep>=>|:=|={{1,3}}(?!=)|:[ \t]{{0,4}}{_TYPES}[ \t]{{0,4}}=(?!=)|:(?!:)|%3[DA])
    [ \t]{{0,8}}+ (?:\r?\n[ \t]{{0,64}}+(?=[\"']))?+
    """,
    re.VERBOSE | re.IGNORECASE,
)


_FIRST_OF_QUOTED: Final = frozenset("'\"\\&%bBrRuUfF")

_WHOLE_LINE: Final = frozenset({"authorization", "proxyauthorization", "cookie", "setcookie", "passphrase", "mnemonic"})
"""Names whose value is the rest of the line: headers, and secrets made of several words."""
_PHRASES: Final = ("phrase",)

_LITERALS: Final = words_in("none null nil true false yes no on off undefined empty unset")
_PROSE: Final = words_in(
    "line end must is not was has are the a an this that invalid expired missing required unknown wrong incorrect "
    "too please may should cannot can't could expected got field only at for in of with from str int bytes bool "
    "optional object any"
)
_REFERENCE: Final = re.compile(
    r"%s(?!\w)|%\(\w{1,64}\)s|\*{3,}+(?!\w)|(?:self|cls|settings|os|request|kwargs|args)[.\[(]\w"
)
_CODE: Final = re.compile(r"(?:await )?[A-Za-z_][\w.]*+(?:\Z|[(\[,)\]:}])")


_SAID: Final = re.compile(r"(?<![\w.-])(?P<key>[\w.-]{2,64}+)[ ](?:is|was)[ :]{1,3}(?=\S)")
_FLAG: Final = re.compile(r"--(?P<key>[A-Za-z][\w-]{1,40})(?:[\"'],[ ]?(?=[bru]?[\"'])|[ ]{1,4}(?=[^\s-]))")
_TUPLE: Final = re.compile(r"[(\[][bru]?([\"'])(?P<key>[\w.-]{2,64})\1,[ ]?(?=[bru]?[\"'])")
_TAG: Final = re.compile(r"<(?:[\w-]{1,32}:)?(?P<key>[A-Za-z][\w.-]{1,63})(?:\s[^<>\n]{0,200})?>(?P<value>[^<\n]++)")
_INPUT: Final = re.compile(r"name=[\"']?(?P<key>[\w.\[\]-]{2,64})[\"']?[^<>\n]{0,100}?\svalue=(?=[\"'])")
_SQL: Final = re.compile(
    r"(?i)(?:\bidentified\s{1,4}(?:with\s{1,4}\S{1,64}\s{1,4})?(?:by|as)\s{1,4}(?:password\s{1,4})?"
    r"|\bpassword[ \t]{1,4}\(?)(?=['\"])"
)
_DETAIL: Final = re.compile(r"\((?P<columns>[\w, \"]{1,200}+)\)=(?=\()")
_DUPLICATE: Final = re.compile(
    r"(?i)duplicate entry \\{0,8}+'(?P<value>(?:[^'\\\n]|\\++(?!')){1,512}+)\\{0,8}+'"
    r" for key \\{0,8}+'(?P<key>[^'\\\n]{1,128}+)"
)
_CURL: Final = re.compile(r"(?<!\S)(?:-u|--user)[ =][\"']?(?P<value>[^\s:\"']{1,64}:[^\s\"']++)")
_MYSQL: Final = re.compile(r"(?<=[ '\"])-p(?P<value>[^\s'\",]++)")


def spans_of_pairs(text: str, low: str, verdict_of: Callable[[str], Verdict]) -> Iterator[Span]:
    """Find the values of all names that `verdict_of` calls secret; spans may overlap. `low`: the text in lower case."""
    values = Values(text)
    yield from _assignments(values, verdict_of)
    yield from _special(values, low, verdict_of)


def may_hold_pairs(low: str) -> bool:
    """Tell in 1 µs for 150 characters whether any name that can be secret is in a text in lower case at all.

    Written out, because a loop over the words takes three times as long.
    """
    return (
        "pass" in low or "key" in low or "token" in low or "secret" in low or "auth" in low or "pw" in low
        or "sess" in low or "cookie" in low or "cred" in low or "code" in low or "sig" in low or "pin" in low
        or "card" in low or "otp" in low or "jwt" in low or "bearer" in low or "srf" in low or "dsn" in low
        or "cvv" in low or "cvc" in low or "ssn" in low or "cc" in low or "psk" in low or "phrase" in low
        or "mnemonic" in low or "answer" in low or "social" in low or "contrase" in low or "clave" in low
        or "senha" in low or "kennwort" in low or "hash" in low or "assertion" in low or "identified" in low
        or "-u " in low or "--user" in low or "mysql" in low or "maria" in low
    )  # fmt: skip


def _assignments(values: Values, verdict_of: Callable[[str], Verdict]) -> Iterator[Span]:
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


def _value(values: Values, pair: re.Match[str]) -> Span | None:
    position = pair.end()
    first = values.text[position : position + 1]
    if first in _FIRST_OF_QUOTED and (span := values.quoted(position)):
        return span
    if first in OPENINGS:
        return values.bracketed(position)
    separator = pair["sep"]
    if separator in {":", "="} and _takes_line(pair["key"]):
        return position, _end_of_header(values, pair)
    return values.bare(position, BARE_ESCAPED if separator[0] == "%" else BARE)


@lru_cache(maxsize=256)
def _takes_line(key: str) -> bool:
    name = key.replace("-", "").lower()
    return name in _WHOLE_LINE or name.endswith(_PHRASES)


def _end_of_header(values: Values, pair: re.Match[str]) -> int:
    end = values.end_of_line(pair.end())
    quote = pair.string[pair.start() - 1 : pair.start()]
    return min(end, end_of(QUOTES[quote], pair.string, pair.end())) if quote in QUOTES else end


def _is_worth_masking(values: Values, pair: re.Match[str], span: Span, verdict: Verdict) -> bool:
    begin, end = span
    value = values.text[begin : min(end, begin + 512)]
    if verdict is Verdict.MAYBE:
        return len(value) >= MIN_RANDOM_CHARACTERS and looks_random(value)
    if not value.strip(" \t[]{}()"):
        return False
    if begin > pair.end():
        return True
    if value[0] in OPENINGS:
        return not values.is_source(begin) or "'" in value or '"' in value
    return not _is_word(values, pair, value, begin)


def _is_word(values: Values, pair: re.Match[str], value: str, begin: int) -> bool:
    """Tell a bare value that is no value: None, an ordinary word of prose, a name in quoted source."""
    word = value.rstrip(".,;:!?)]}").lower()
    if word in _LITERALS or word == pair["key"].lower() or _REFERENCE.match(value):
        return True
    if pair["sep"] == ":" and word in _PROSE and values.text[begin - 1 : begin] == " ":
        return True
    return bool(_CODE.match(value)) and values.is_source(begin)


def _special(values: Values, low: str, verdict_of: Callable[[str], Verdict]) -> Iterator[Span]:
    """Find what is written without a separator: tags, flags, tuples, forms, prose, SQL, commands."""
    text = values.text
    if "</" in text:
        yield from _between(_TAG, text, verdict_of)
    if "--" in text:
        yield from _values_after(_FLAG, values, verdict_of)
    if "', " in text or '", ' in text or "','" in text or '","' in text:
        yield from _values_after(_TUPLE, values, verdict_of)
    if "value=" in text:
        yield from _values_after(_INPUT, values, verdict_of)
    if " is " in low or " was " in low:
        yield from _said(values, verdict_of)
    if ")=(" in text:
        yield from _details(values, verdict_of)
    if "duplicate entry" in low:
        yield from _between(_DUPLICATE, text, verdict_of)
    yield from _commands(values, low)


def _commands(values: Values, low: str) -> Iterator[Span]:
    """Find passwords in SQL and on the command lines of curl and MySQL."""
    text = values.text
    if "identified" in low or "password" in low:
        yield from (span for m in _SQL.finditer(text) if (span := values.quoted(m.end())))
    if "-u " in text or "--user" in text:
        yield from (m.span("value") for m in _CURL.finditer(text))
    if "mysql" in low or "maria" in low:
        yield from (m.span("value") for m in _MYSQL.finditer(text))


def _between(pattern: re.Pattern[str], text: str, verdict_of: Callable[[str], Verdict]) -> Iterator[Span]:
    for m in pattern.finditer(text):
        if verdict_of(m["key"]) is Verdict.ALWAYS and m["value"].strip():
            yield m.span("value")


def _said(values: Values, verdict_of: Callable[[str], Verdict]) -> Iterator[Span]:
    """Find "password is hunter2" and "the token was 'abc'", but not "password is required"."""
    for m in _SAID.finditer(values.text):
        if verdict_of(m["key"]) is Verdict.ALWAYS:
            quoted = values.quoted(m.end())
            span = quoted or values.bare(m.end())
            if span and (quoted or any(map(str.isdigit, values.text[slice(*span)][:64]))):
                yield span


def _details(values: Values, verdict_of: Callable[[str], Verdict]) -> Iterator[Span]:
    """Find the values in PostgreSQL's "Key (user_id, token)=(5, abc) already exists"."""
    for m in _DETAIL.finditer(values.text):
        span = values.bracketed(m.end())
        if span and any(verdict_of(column) is Verdict.ALWAYS for column in m["columns"].split(", ")):
            yield span


def _values_after(pattern: re.Pattern[str], values: Values, verdict_of: Callable[[str], Verdict]) -> Iterator[Span]:
    for m in pattern.finditer(values.text):
        if verdict_of(m["key"]) is not Verdict.ALWAYS:
            continue
        span = values.quoted(m.end()) or values.bracketed(m.end()) or values.bare(m.end())
        if (
            span is not None
            and span[0] < span[1]
            and not (pattern is _TUPLE and are_names(m["key"], values.text[slice(*span)]))
        ):
            yield span


def are_names(first: str, second: str) -> bool:
    """Tell ("password", "email") and ("auth", "0001_initial") from ("password", "hunter2") and ("X-Api-Key", "abc")."""
    if not first.isidentifier() or not second.islower():
        return False
    return second.replace("_", "").isalpha() or (second[:4].isdigit() and second[4:5] == "_")
