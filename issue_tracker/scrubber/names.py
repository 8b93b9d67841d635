"""Which names of keys announce a secret: "password", "X-Api-Key", "sessionId", but not "author", "cache_key",
"session_count".

Pure: no settings, no Django. The words are those of Django's `SafeExceptionReporterFilter.hidden_settings` (API,
AUTH, TOKEN, KEY, SECRET, PASS, SIGNATURE, HTTP_COOKIE) and more, compared with whole words of the name instead of
fragments, because fragments mask "author", "keyboard" and "compass" too. (Copied, since django.views.debug imports
the ORM.)
"""

from __future__ import annotations

import re
from enum import Enum
from itertools import pairwise
from typing import Final


class Verdict(Enum):
    """What the name of a key says about its value."""

    NEVER = "never"
    MAYBE = "maybe"
    """A secret if the value looks random: "tmdb_key", "tokens"."""
    ALWAYS = "always"


MAX_NAME_CHARACTERS: Final = 256
"""Characters of a name that are looked at, half from each end. Ours: four times the longest name seen in the wild."""

DJANGO_FRAGMENTS: Final = frozenset({"API", "AUTH", "TOKEN", "KEY", "SECRET", "PASS", "SIGNATURE", "HTTP_COOKIE"})
"""The alternatives of Django's own pattern (4.2 to 6.0)."""

_BOUNDARY: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD: Final = re.compile(r"[^\W\d_]+")


def words_in(text: str) -> frozenset[str]:
    """Return the words of a table as a set."""
    return frozenset(text.split())


_WORDS: Final = words_in(
    "pwd passcode secret secrets creds token authorization cookie cookies jwt bearer csrf xsrf dsn otp totp hotp "
    "cvv cvc ssn mnemonic kennwort senha"
)
"""Words that make any name secret."""

_INSIDE: Final = words_in(
    "password passwd passphrase passwort contrasena contraseña motdepasse credential apikey secretkey privatekey "
    "privkey accesskey accountkey signingkey encryptionkey masterkey sessionid sessid sessionkey cardnumber "
    "creditcard"
)
"""Fragments that make any word secret: names written without a separator, and words that have no look-alike."""

_ENDINGS: Final = ("token", "secret")
"""Endings of a word: "authtoken", "clientsecret"; not "tokenizer", "secretary"."""

_LAST: Final[dict[str, frozenset[str]]] = {
    "auth": frozenset(),
    "authentication": frozenset(),
    "pass": words_in("first second third last next boarding season single multi one two per high low band all by"),
    "pw": frozenset(),
    "psk": frozenset(),
    "pin": words_in("gpio map drop push hat rolling"),
    "signature": words_in("function method call type task operator argument"),
    "session": words_in("movie film cinema training game play video next last per"),
    "clave": words_in("palabra palabras"),
    "userpass": frozenset(),
    "dbpass": frozenset(),
}
"""Words that make a name secret when they end it, each with the words before it that make it harmless again."""

_KEY_OWNERS: Final = words_in(
    "api apis access private secret signing signature sign encryption encrypt decryption decrypt auth account "
    "shared master storage service subscription license licence ssh rsa ecdsa pgp gpg deploy consumer session hmac "
    "aes fernet crypt crypto cipher root admin webhook integration activation recovery security server push vapid "
    "client app application user maps write read functions project jwt jwk host app"
)
_HARMLESS_OWNERS: Final = words_in(
    "primary foreign cache sort partition public object group unique idempotency natural lookup routing row s "
    "bucket field json model index message msg translation dedup dedupe deduplication redis queue event part range "
    "item data composite candidate surrogate dict map meta property attribute column shard hash lock task job "
    "fingerprint open record node path url page file image name id sorting ordering grouping return arrow enter hot "
    "answer low"
)
_PHRASES: Final = words_in(
    "password passwd passphrase passcode sessionid sessionkey sessioncookie sessionhash sessiondata cardnumber "
    "cardno cardnum ccnumber ccnum creditcard debitcard securitycode verificationcode authcode accesscode "
    "backupcode backupcodes recoverycode recoverycodes smscode logincode mfacode facode otpcode activationcode "
    "onetime securityanswer seedphrase recoveryphrase secretphrase pincode pinnumber socialsecurity authheader "
    "authdata authstring authvalue authparams authinfo clientassertion apihash motde claveapi clavesecreta "
    "claveprivada claveacceso clavedinamica userpass dbpass"
) | {owner + "key" for owner in _KEY_OWNERS}
"""Two neighbouring words, written together."""

_ABOUT_LAST: Final = words_in(
    "count counts counter length len size limit limits max min ttl timeout seconds minutes hours days expiry "
    "expires expired expiration expire age at on date time timestamp name names type types version algorithm alg "
    "algo policy field fields form forms view views template validators validator hashers hasher required enabled "
    "disabled valid invalid verified changed exists status index idx position error errors exception warning failed "
    "failure mismatch missing incorrect denied rejected revoked class classes backend backends provider method mode "
    "scheme realm issuer audience scope scopes host domain port path file filename dir directory endpoint level "
    "strength score rules rule attempts tries retries usage used remaining budget rate cost price page banner "
    "consent notice label title description placeholder help column table model middleware engine serializer "
    "factory prefix suffix format encoding charset manager mapping map"
)
_ABOUT_FIRST: Final = words_in(
    "max min suspicious num n total avg mean sum count number invalid missing expired bad wrong unknown unexpected"
)
_ADDRESSES: Final = words_in("url uri link urls")
"""The address of a token service is no secret; that of a password reset is."""

PHRASE_TAILS: Final = words_in("key keys number no num code codes phrase id answer pin")
"""Words that need the word before them, so that free text ("api key: …") looks back."""


def verdict_of(name: str) -> Verdict:
    """Judge a name by its words; case, camelCase, separators and digits don't matter."""
    words = _words_of(name)
    if (
        not words
        or _is_about_a_secret(words)
        or ("." in name and _is_about_a_secret(_words_of(name.rpartition(".")[2])))
    ):
        return Verdict.NEVER
    if _is_secret(words):
        return Verdict.ALWAYS
    return _verdict_of_last(words)


def words_together(name: str) -> str:
    """Return the name's words in lower case without anything between them."""
    return "".join(_words_of(name))


def _words_of(name: str) -> list[str]:
    if len(name) > MAX_NAME_CHARACTERS:
        half = MAX_NAME_CHARACTERS // 2
        name = f"{name[:half]} {name[-half:]}"
    return _WORD.findall(_BOUNDARY.sub(" ", name).lower())


def _is_about_a_secret(words: list[str]) -> bool:
    """Tell names of a fact about a secret: "token_count", "password_changed_at", "max_tokens", "InvalidToken"."""
    if len(words) < 2:
        return False
    if words[-1] in _ADDRESSES:
        return not any("pass" in word or word in {"reset", "magic", "secret"} for word in words)
    return words[-1] in _ABOUT_LAST or words[0] in _ABOUT_FIRST


def _is_secret(words: list[str]) -> bool:
    for word in words:
        if word in _WORDS or word.endswith(_ENDINGS) or any(part in word for part in _INSIDE):
            return True
    return any(first + second in _PHRASES for first, second in pairwise(words))


def _verdict_of_last(words: list[str]) -> Verdict:
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    harmless = _LAST.get(last)
    if harmless is not None:
        return Verdict.NEVER if before in harmless else Verdict.ALWAYS
    if last == "sig" and not before:
        return Verdict.ALWAYS
    if last in {"key", "keys"}:
        return Verdict.NEVER if not before or before in _HARMLESS_OWNERS else Verdict.MAYBE
    return Verdict.MAYBE if last.endswith("tokens") else Verdict.NEVER
