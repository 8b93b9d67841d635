"""The grouping key: which failures are one issue. Left of the seam; imports nothing of ours.

A key is made of the task, the exception's type, the deepest frame of the project's own code, and the message without
what differs from one failure to the next. Guarantee: the same pieces give the same key in every process and release of
one VERSION; nothing here raises; the cost is bounded whatever the message (8 µs for 60 characters, 2 ms at worst).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypedDict

VERSION: Final = 1
"""Of the rules below. Raise it with any change of them, so that a stored key tells which rules made it.
The old ones stay in RULES.
"""

MAX_MESSAGE_CHARACTERS: Final = 1_024
"""Of a message that are read. More than are kept: what is replaced may be long, such as a URL or a token."""

MAX_NORMALISED_CHARACTERS: Final = 256
"""Of a normalised message. Cut after replacing, so that longer and shorter ids don't move the cut."""

_CUT: Final = "…"
_TORN: Final = "\0"
"""Put at the end of a message that was cut, where an open quote may end."""

# A letter or digit of any script. `_` parts words, so that "user_55" and "user_56" are one.
_ALNUM: Final = r"[^\W_]"
_END: Final = rf"(?!#|{_ALNUM})"
_HEX: Final = "[0-9a-fA-F]"
_PLACE: Final = r"[^\s'\"<>*]"
_UNMARKED: Final = rf"[^\s'\"<>*#{_CUT}]"
_B64: Final = "A-Za-z0-9+/_-"
_JOINED: Final = rf"(?:(?:, |[.,:/+_-]+)(?:{_ALNUM}*\d{_ALNUM}*|{_HEX}{{8,}}{_END}))*+"
"""What goes on after a number or id: "192.168.0.1:80", "2024-05-01T10:30:00", "1, 2, 3", "a1b2c3d4:7"."""
_UUID: Final = f"{_HEX}{{8}}-(?:{_HEX}{{4}}-){{3}}{_HEX}{{12}}"

_UNIT: Final = (
    r"(?:(?:%| ?(?:[kKMGTP]i?[Bb]|[Bb]ytes?|[nmuµ]?s|secs?|seconds?|mins?|minutes?|h|hours?|d|days?|[ap]m|[AP]M)"
    rf"){_END})?"
)
_MONTH: Final = (
    "(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    "|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"
)
_DATE: Final = (
    r"(?=[JFMASONDTW\d])(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? )?"
    rf"(?:\d\d?(?:st|nd|rd|th)?[ -]{_MONTH}[ -]?,? ?(?=\d)|{_MONTH}\.? {{1,2}}(?=\d))\d{_ALNUM}*+{_JOINED}"
)
_STATUS: Final = (
    r"(?=[HSs4-5])(?:(?:HTTP(?:/\d(?:\.\d)?)?(?: [Ee]rror)?|[Ss]tatus(?:[ _-]?[Cc]ode)?)[ :=]{1,3}[1-5]\d\d"
    rf"|[45]\d\d(?=, message=)){_END}"
)
_WITHIN: Final = rf"\\.|(?<={_ALNUM})'(?={_ALNUM})"
_QUOTED: Final = (
    rf"(?<!\\)(?:[bru]?'(?:[^'*\\]|{_WITHIN})*+(?:'|\\?{_TORN}\Z)"
    rf"|[bru]?\"(?!\s)(?:[^\"'*\\]|{_WITHIN})*+(?:(?<!\s)\"|\\?{_TORN}\Z)"
    rf"|`[^`*]*+[`{_TORN}]|“[^“”*]*+[”{_TORN}]|«[^«»*]*+[»{_TORN}])(?![#*{_CUT}]|{_ALNUM})"
)
_TOKEN: Final = (
    rf"(?<![{_B64}])(?=[{_B64}]{{20}})(?=[a-z0-9+/_-]*[A-Z])(?=[A-Z0-9+/_-]*[a-z])"
    rf"(?=[A-Za-z/_-]*[\d+]|[A-Za-z]*?(?:[a-z]{{1,2}}[A-Z]{{1,2}}){{3}}|[{_B64}]*=)"
    rf"[{_B64}]{{20,}}+={{0,2}}(?![\w=#*'\"])"
)

# Tried in this order at the beginning of a word. A mark is never longer than the shortest text it stands for, and no
# rule matches a mark: a normalised message stays as it is when it is normalised again. Rules that scan ahead begin only
# at the first of a run of like characters (the lookbehinds): else "////…" would cost the square of its length.
_RULES_OF_WORDS: Final = {
    "date": (_DATE, "#"),
    "status": (_STATUS, ""),
    "hash": (rf"(?:{_UUID}|[a-fA-F]{_HEX}{{7,}}+){_END}{_JOINED}", "#"),
    "temporary": (rf"tmp[a-z0-9_]{{8}}{_END}", "#"),
}
_PLAIN: Final = r"(?!url:)[^\W\d_]{1,19}+[,.:;!?)\]]*+(?:\s|\Z)"
"""An ordinary word. Most of a message is made of these; not trying the rules below on them halves the time."""
_FIRST: Final = r"[\w'\"`“«/:#+-]"
"""What the rules below may begin with."""

_RULES: Final = {
    "quoted": (rf"{_QUOTED}(?:, {_QUOTED})*+", "*"),
    "arguments": (r"args:[(\[].*+", "args:…"),
    "url": (
        rf"[A-Za-z][A-Za-z0-9+.-]{{1,20}}+://{_PLACE}*+(?:(?<={_ALNUM})'(?={_ALNUM}){_PLACE}++)*+"
        rf"|url: ?(?={_UNMARKED}*[/?=]){_PLACE}++",
        "#url#",
    ),
    "email": (r"(?<!_)\w[\w.+-]{0,63}+@[\w.-]++", "#@#"),
    "path": (rf"(?<!/)/(?={_UNMARKED}*(?:\?|tmp|temp/)){_PLACE}*+", "/…"),
    "id": (
        rf"(?:(?=[a-fA-F]+\d){_HEX}{{6,7}}+|(?:{_HEX}{{2}}-){{5}}{_HEX}{{2}}"
        rf"|(?<!:)(?=[\d:]*[a-fA-F])(?:{_HEX}{{0,4}}:){{2,}}+{_HEX}{{0,4}}){_END}{_JOINED}",
        "#",
    ),
    "token": (_TOKEN, "#"),
    "numbered": (rf"[A-Za-z]?[a-z]{{2,}}+[0-9]++{_END}", ""),
}
_NUMBER: Final = {"number": (rf"(?:(?<![-+#])[-+#]*+|[^\W\d_]*+)\d{_ALNUM}*+{_JOINED}{_UNIT}", "#")}


def _any_of(rules: dict[str, tuple[str, str]]) -> str:
    return "|".join(f"(?P<{name}>{pattern})" for name, (pattern, _mark) in rules.items())


_STATUS_LINE: Final = {"status_line": (r"'[1-5]\d\d [A-Z][A-Za-z -]{1,40}'", "")}
_NEW: Final = rf"(?<![#*{_CUT}])"
"""Not behind a mark: what could not begin behind the text itself must not begin behind its mark."""
_VARIABLE: Final = re.compile(
    f"(?<!{_ALNUM})(?:{_NEW}(?:{_any_of(_RULES_OF_WORDS)})"
    f"|(?={_FIRST})(?!{_PLAIN})(?:{_any_of(_STATUS_LINE)}|{_NEW}(?:{_any_of(_RULES)})|{_any_of(_NUMBER)}))"
)
_MARKS: Final = {name: mark for name, (_pattern, mark) in (_RULES_OF_WORDS | _STATUS_LINE | _RULES | _NUMBER).items()}
_WORD: Final = re.compile(r"(?<!#)[^\W\d_]{3}")
_SENTENCE: Final = re.compile(rf"(?<![#*{_CUT}]|{_ALNUM})(?=(['\"])(?:(?!\1)\S)+ (?:(?!\1)\S)+ ){_QUOTED}")


class Pieces(TypedDict):
    """What a key is made of."""

    task: str
    exception_type: str
    culprit: str
    message: str


def fingerprint(*, task: str, exception_type: str, culprit: str, message: str, version: int = VERSION) -> str:
    """Return the grouping key: 64 hexadecimal characters."""
    pieces = parts(task=task, exception_type=exception_type, culprit=culprit, message=message, version=version)
    return _hash_of(*pieces.values())


@lru_cache(maxsize=256)
def _hash_of(*pieces: str) -> str:
    # Lengths, so that no text can reach into the next piece.
    text = "".join(f"{len(piece)}:{piece}" for piece in pieces)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def parts(*, task: str, exception_type: str, culprit: str, message: str, version: int = VERSION) -> dict[str, str]:
    """Return all that the key is made of, by name, in order: what `explain` shows a person."""
    return {
        "version": str(version),
        "task": str(task),
        "exception_type": str(exception_type),
        "culprit": str(culprit),
        "message": RULES[version](message),
    }


def normalise(message: str) -> str:
    """Return the first line of a message with what varies replaced; at most 256 characters.

    Numbers with their units, ids, hashes, dates, addresses and tokens become `#`, quoted text `*`, URLs `#url#`, e-mail
    addresses `#@#`, temporary paths and queries `/…`. Words stay, as do HTTP statuses where the text says that they are
    such: a 404 and a 503 are two bugs. A first line that ends with a colon takes the second one along.
    """
    return _normalised(str(message)[:MAX_MESSAGE_CHARACTERS], is_cut=len(message) > MAX_MESSAGE_CHARACTERS)


@lru_cache(maxsize=128)
def _normalised(text: str, *, is_cut: bool) -> str:
    line = _first_line(text.replace(_TORN, " ")) + (_TORN if is_cut else "")
    short = _replaced(line)
    if line[:1] in {"(", "[", "{"} and not _WORD.search(short):
        # An exception with several arguments, or Django's ValidationError: here the quotes hold the message itself.
        short = _replaced(_SENTENCE.sub(_unquoted, line))
    short = short.rstrip(_TORN)
    return short if len(short) <= MAX_NORMALISED_CHARACTERS else short[: MAX_NORMALISED_CHARACTERS - 1] + _CUT


def _first_line(text: str) -> str:
    first, _, rest = text.lstrip().partition("\n")
    if first.rstrip().endswith(":"):
        first += " " + rest.lstrip().partition("\n")[0]
    return " ".join(first.split())


def _unquoted(match: re.Match[str]) -> str:
    return match[0].lstrip("bru")[1:-1]


def _replaced(text: str) -> str:
    pieces: list[str] = []
    size = end = 0
    for match in _VARIABLE.finditer(text):
        start = match.start()
        mark = _mark(match)
        pieces += text[end:start], mark
        size += start - end + len(mark)
        end = match.end()
        if size > MAX_NORMALISED_CHARACTERS:
            return "".join(pieces)
    return "".join(pieces) + text[end : end + MAX_NORMALISED_CHARACTERS + 1]


def _mark(match: re.Match[str]) -> str:
    name = match.lastgroup or ""
    return _MARKS[name] or (match[0].rstrip("0123456789") + "#" if name == "numbered" else match[0])


RULES: Final[dict[int, Callable[[str], str]]] = {1: normalise}
"""How each version reads a message. Rules that were replaced stay here for as long as an issue that they made may be
open: by them the drain finds it, so that a change of rules splits none."""
