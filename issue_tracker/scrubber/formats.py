"""Secrets that are known by their own look, wherever they stand: keys with a prefix, PEM blocks, JWTs, credentials in
URLs, Authorization schemes, webhook addresses, card numbers.

Pure: text in, spans out. Linear: every pattern that may begin anywhere is bounded or possessive, and tried at the
beginning of a word only.
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING, Final

from .names import words_in

if TYPE_CHECKING:
    from collections.abc import Iterator

Span = tuple[int, int]
"""Begin and end of a secret in a text, as in a slice."""

MASK: Final = "[scrubbed]"
"""Stands in the place of a secret."""

MIN_RUN_CHARACTERS: Final = 20
"""The shortest known key has 20 characters (AWS's); shorter words aren't looked at."""

MIN_RANDOM_CHARACTERS: Final = 16

_EDGE: Final = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u[0-9a-fA-F]{4}))"
"""Where a word begins, also after an escaped line end, a %-escape and a \\u escape."""

_FORMATS: Final = (
    r"A(?:KIA|SIA|ROA|IDA|GPA|NPA|NVA|PKA|BIA|CCA)[A-Z0-9]{12,}",  # AWS
    r"gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}",
    r"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat|ffct|rtr)-[\w.-]{12,}",
    r"xox[a-z]-[\w-]{10,}|xoxe\.xox[a-z]-[\w-]{10,}|xapp-[\w-]{10,}",  # Slack
    r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{16,}",  # Stripe
    r"sk-(?:ant-|proj-|svcacct-|admin-|or-|None-|lf-)[\w-]{16,}|sk-[A-Za-z0-9]{16,}[\w-]*",  # OpenAI, Anthropic
    r"AIza[\w-]{20,}|ya29\.[\w.-]{16,}|GOCSPX-[\w-]{16,}",  # Google
    r"SG\.[\w-]{10,}\.[\w-]{10,}|xkeysib-[\w-]{16,}|xsmtpsib-[\w-]{16,}|key-[0-9a-zA-Z]{32}",  # senders of mail
    r"[0-9a-f]{32}-us\d{1,2}(?!\w)|[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}(?!\w)",
    r"mlsn\.[0-9a-f]{32,}|re_[A-Za-z0-9]{8,}_[A-Za-z0-9]{16,}",
    r"npm_[A-Za-z0-9]{20,}|pypi-[\w-]{24,}|rubygems_[0-9a-f]{32,}",
    r"CLOJARS_[0-9a-z]{32,}|cio[A-Za-z0-9]{32}|oy2[a-z0-9]{43}",
    r"dckr_(?:pat|oat)_[\w-]{16,}|hf_[A-Za-z0-9]{20,}|r8_[A-Za-z0-9]{30,}",
    r"gsk_[A-Za-z0-9]{30,}|pplx-[A-Za-z0-9]{30,}|xai-[A-Za-z0-9]{30,}",
    r"do[opr]_v1_\w{16,}|shp(?:at|ca|pa|ss|ua|tka)_[A-Za-z0-9]{16,}|sbp_[A-Za-z0-9]{20,}|nfp_[A-Za-z0-9]{20,}",
    r"EAA[A-Za-z0-9]{30,}|sq0(?:atp|csp|idp)-[\w-]{16,}|access_token\$\w+\$[0-9A-Za-z]{8,}\$?\w*|EZ[AT]K[0-9a-zA-Z]{30,}",
    r"(?:SK|AC)[0-9a-f]{32}(?!\w)",  # Twilio
    r"(?:(?<=\d:)|(?<=\d%3A))AA[\w-]{30,}",  # Telegram
    r"[MNO][\w-]{22,27}\.[\w-]{6}\.[\w-]{25,}",  # Discord
    r"AT(?:ATT|CTT|BB|STT)[\w=-]{16,}",  # Atlassian
    r"AGE-SECRET-KEY-(?:PQ-)?1[A-Za-z0-9]{16,}",
    r"hv[sbr]\.[\w-]{16,}|s\.[A-Za-z0-9]{24}(?!\w)|[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{30,}",  # HashiCorp
    r"gls[ac]_[\w+/=-]{16,}|glc_[\w+/=-]{16,}|NRAK-[A-Z0-9]{16,}",
    r"NRII-[\w-]{16,}|sntry[su]_[\w+/=-]{16,}|dt0[a-z]\d\d\.[\w.]{24,}",
    r"lin_(?:api|oauth)_[A-Za-z0-9]{16,}|(?:secret|ntn)_[A-Za-z0-9]{32,}|fig[dou]_[\w-]{16,}|pat[A-Za-z0-9]{14}\.[0-9a-f]{32,}",
    r"dapi[0-9a-f]{32}|PMAK-[0-9a-f-]{24,}|dp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{16,}",
    r"pul-[0-9a-f]{32,}|tskey-[\w-]{16,}",
    r"pscale_(?:tkn|pw|oauth)_[\w.-]{16,}|fo1_[\w-]{16,}|fm[12][ar]?_[\w+/=-]{16,}",
    r"sk_[0-9a-f]{48}|csk-[a-z0-9]{40,}|pcsk_\w{50,}|lsv2_[a-z]{2}_[0-9a-f]{32}_[0-9a-f]{8,}|api_org_[A-Za-z]{30,}",
    r"ABSK[\w+/]{40,}|AKID[A-Za-z0-9]{32}|v1\.0-[0-9a-f]{24}-[0-9a-f]{100,}|AQVN[\w-]{32,}|t1\.[\w-]{40,}={0,2}\.[\w-]{80,}",
    r"(?:duffel|rzp|shippo)_(?:live|test)_[\w-]{14,}|(?:live|test)_(?:pub_)?[0-9a-f]{31,35}(?!\w)|live_[\w-]{40}(?![\w-])",
    r"FLW(?:SECK|PUBK)(?:_TEST)?-[0-9a-f]{32}-X|access-(?:sandbox|development|production)-[0-9a-f-]{36}",  # payment
    r"GR1348941[\w-]{20}|cmVmdGtuOj[A-Za-z0-9]{40,}|pat\.[\w-]{22}\.[0-9a-f]{24}\.\w{20}|sgp_\w{40,}|sha256~[\w-]{43}",
    r"aio_[A-Za-z0-9]{28}|p8e-[0-9a-f]{32}|oaa\w{14}\.v1\.[0-9a-f]{32,}|fio-u-[\w-]{60,}|ico-[A-Za-z0-9]{32}|pubkey-[0-9a-f]{32}",
    r"napi_[a-z0-9]{50,}|sb_secret_[\w-]{20,}|vercel_blob_rw_\w{20,}|ph[xs]_[A-Za-z0-9]{40,}|pn[ub]_[A-Za-z0-9]{36}|tfp_[\w-]{40,}",
    r"NRJS-[0-9a-f]{19}|s-s4t2(?:ud|af)-[0-9a-f]{64}|tk-us-[\w-]{40,}|sl\.[\w-]{120,}|1//0[\w-]{40,}",
    r"HRKU-[\w-]{16,}|CCIPAT_\w{16,}|bkua_\w{16,}",
    r"sq[pua]_[0-9a-f]{32,}|LTAI[A-Za-z0-9]{12,}|AKCp[A-Za-z0-9]{16,}",
    r"CFPAT-[\w-]{16,}|rdme_[a-z0-9]{32,}|ops_eyJ[\w+/=-]{16,}",
    r"(?:pbkdf2_sha\d{1,3}|scrypt|bcrypt(?:_sha256)?|argon2(?:id?)?|md5|sha1)\$+[\w$.,=+/-]{24,}",  # Django's hashes
    r"\$(?:2[abxy]\$\d\d|[156]|y|argon2id?|scrypt)\$[\w$.,=+/-]{24,}",
    r"A{15,}+[A-Za-z0-9%]{20,}",  # Twitter's bearer tokens
    r"[\w~.-]{3}[78]Q~[\w~.-]{31,40}",  # Azure AD
    r"eyJ(?:[A-Za-z0-9]++|[_-](?!eyJ))++\.[\w-]{2,}(?:\.[\w-]*){0,3}",  # JWT, JWE
)
"""One pattern a family of vendors, as their documentation or their own secret scanning describes them."""

_RUN: Final = re.compile(rf"(?<![\w.~$%=-])[\w.~$%=-]{{{MIN_RUN_CHARACTERS},}}+")
_KNOWN: Final = re.compile(_EDGE + "(?:" + "|".join(_FORMATS) + ")")

_URL: Final = re.compile(
    r":(?:\\?/){2}(?P<info>(?!\[)[^\s\"'<>@/\\:]*+:(?!\d{1,5}(?:[/?#,;]|\Z))(?:[^\s\"'<>@/]|/(?!/))*+"
    r"(?=@)(?:@[^\s\"'<>@/?#]*+(?=@))*+|[^\s\"'<>@/:]{16,}+(?=@))"
)
_ESCAPED_URL: Final = re.compile(
    r"(?i)%3A%2F%2F(?P<info>(?:[^\s\"'<>&%]|%(?!3A|40|2F))*+%3A(?:[^\s\"'<>&%]|%(?!40|2F))*+)(?=%40)"
)

_SCHEMES: Final = ("bearer", "basic", "token", "apikey", "negotiate", "ntlm", "digest", "hawk", "oauth", "plain")
_CREDENTIAL: Final = re.compile(
    r"(?:[ \t]{1,8}|%20|\+)(?P<value>(?:username|id|oauth_\w{1,30})=[^\r\n]*+|[\w.~+/=%:-]{6,}+)", re.IGNORECASE
)
_PROSE: Final = words_in(
    "realm error scope token tokens auth authentication authorization scheme credential credentials format prefix "
    "header headers required missing invalid expired should string value access request requests security"
)

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]++")

_HOOK: Final = re.compile(
    r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/(?P<slack>[\w/-]{8,}+)"
    r"|discord(?:app)?\.com/api/(?:v\d{1,2}/)?webhooks/\d+/(?P<discord>[\w-]{8,}+)"
    r"|webhook\.office\.com/webhookb2/(?P<teams>[\w@/-]{8,}+)|hooks\.zapier\.com/hooks/catch/(?P<zapier>[\w/-]{8,}+)"
)

_CARD: Final = re.compile(
    r"[2-6](?:(?<![A-Za-z0-9.]\d)|(?<=\\[nrt]\d)|(?<=%[0-9A-F]{2}\d))"
    r"(?:\d{12,15}|\d{18}|\d{3}([ -])\d{4}\1\d{4}\1\d{4}|\d{3}([ -])\d{6}\2\d{4,5})"
    r"(?![A-Za-z0-9]|\.\d)"
)
"""Begins with the digit and looks back over it: `re` finds a set of characters three times as fast as a look-behind."""
_ISSUERS: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})\Z|(?:5[1-5]|2[2-7])\d{14}\Z|3[47]\d{13}\Z"
    r"|(?:6011|64[4-9]\d|65\d\d|35\d\d|62\d\d|50\d\d|5[6-8]\d\d|6[37]\d\d)\d{12}\Z"
    r"|3(?:0[0-5]|[689]\d)\d{11}\Z"
)
"""Visa, Mastercard, American Express, Discover, JCB, UnionPay, Maestro, Diners: prefix and length."""

PEM_BEGIN: Final = "-----BEGIN "
_PEM: Final = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")


def spans_of_formats(text: str, low: str) -> Iterator[Span]:
    """Find every secret that its own look gives away, PEM blocks apart. `low`: the same text in lower case."""
    yield from _known_keys(text)
    if "@" in text:
        yield from (m.span("info") for m in _URL.finditer(text) if ":" in m["info"] or looks_random(m["info"]))
    if "%40" in text:
        yield from (m.span("info") for m in _ESCAPED_URL.finditer(text))
    for scheme in _SCHEMES:
        if scheme in low:
            yield from _credentials(text, low, scheme)
    if "hook" in low:
        yield from (m.span(m.lastgroup or 0) for m in _HOOK.finditer(text))
    yield from (m.span() for m in _CARD.finditer(text) if _is_card(m[0]))


_LONG_RUN: Final = re.compile(r"[\w.~$%=+-]{16,}+")
"""A word with digits that is shorter is no key of a known format, nor looks random, whatever its digits are."""
MAX_PLAIN_DIGITS: Final = 12
"""Digits in a text that make no card number, with whatever stands between them."""


def is_free_of_formats(shape: str, low: str) -> bool:
    """Tell of a text with a 0 for each digit that no other digits make a secret known by its look. `low`: see above."""
    return (
        shape.count("0") <= MAX_PLAIN_DIGITS
        and not any("0" in run for run in _LONG_RUN.findall(shape))
        and "@" not in shape
        and "%00" not in shape
        and "hook" not in low
        and not any(scheme in low for scheme in _SCHEMES)
    )


def spans_of_pem(text: str) -> Iterator[Span]:
    """Find private keys in PEM; one without its last line is secret to the end of the text."""
    begin = text.find(PEM_BEGIN)
    while begin >= 0:
        end = begin + len(PEM_BEGIN)
        head = _PEM.match(text, begin)
        if head:
            close = text.find("-----END ", head.end())
            tail = text.find("-----", close + 9) if close >= 0 else -1
            end = tail + 5 if tail >= 0 else len(text)
            yield begin, end
        begin = text.find(PEM_BEGIN, end)


def looks_random(text: str) -> bool:
    """Tell a generated value from a word: 16 or more letters and digits in one piece, mixed, of enough kinds."""
    return any(_is_random(piece) for piece in _PIECE.findall(text[:512]))


_PIECE: Final = re.compile(rf"[A-Za-z0-9+]{{{MIN_RANDOM_CHARACTERS},}}+")


def _is_random(piece: str) -> bool:
    digits = sum(map(str.isdigit, piece))
    return digits >= 2 and len(piece) - digits >= 2 and len(set(piece)) >= 8


def _known_keys(text: str) -> Iterator[Span]:
    end = 0
    for word in text.split():
        if len(word) >= MIN_RUN_CHARACTERS:
            begin = text.find(word, end)
            end = begin + len(word)
            if _RUN.search(text, begin, end):
                yield from (found.span() for found in _KNOWN.finditer(text, begin, end))


def _credentials(text: str, low: str, scheme: str) -> Iterator[Span]:
    at = low.find(scheme)
    while at >= 0:
        end = at + len(scheme)
        found = _CREDENTIAL.match(text, end)
        if (
            found
            and not (at and (text[at - 1].isalnum() or text[at - 1] in "_-"))
            and _is_credential(scheme, found["value"])
        ):
            yield found.span("value")
        at = low.find(scheme, end)


def _is_credential(scheme: str, value: str) -> bool:
    """Tell "Bearer abc123" from "Bearer token", and "Basic dXNlcjpwYXNz" from "basic information"."""
    if scheme == "basic":
        return b":" in _decoded(value)
    if scheme == "bearer":
        return value.rstrip(".,:;").partition("=")[0].lower() not in _PROSE
    if scheme == "plain":
        return b"\0" in _decoded(value)
    if scheme in {"digest", "hawk", "oauth"}:
        return "=" in value.rstrip("=")
    return looks_random(value)


def _decoded(value: str) -> bytes:
    """Decode what may be base64 at the beginning, whatever follows it."""
    found = _BASE64.match(value)
    return b64decode(found[0][: len(found[0]) // 4 * 4], altchars=b"-_") if found else b""


def _is_card(text: str) -> bool:
    digits = text.replace(" ", "").replace("-", "")
    return bool(_ISSUERS.match(digits)) and _passes_luhn(digits)


def _passes_luhn(digits: str) -> bool:
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(n - 9 if n > 9 else n for n in doubled)) % 10 == 0
