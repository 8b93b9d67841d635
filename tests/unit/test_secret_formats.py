"""Secrets told by their own look: 100 formats of well-known services in free text, and what looks like them.

The values are put together at run time, so that no scanner takes this file for a leak.
"""

from __future__ import annotations

import base64
import json
import random
import string
from urllib.parse import quote

import pytest

from issue_tracker.scrubber import MASK, scrub

RANDOM = random.Random(20_261_123)
LETTERS, DIGITS, HEX = string.ascii_letters, string.digits, "0123456789abcdef"
MIXED, UPPER = LETTERS + DIGITS, string.ascii_uppercase + DIGITS


def fake(*prefix: str, size: int, of: str = MIXED) -> str:
    """Return the parts of a prefix and so many random characters."""
    return "".join(prefix) + "".join(RANDOM.choice(of) for _ in range(size))


def encoded(value: object) -> str:
    """Return a value as JSON in base64 without padding, as in a JWT."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


FORMATS = {
    "AWS access key": fake("AK", "IA", size=16, of=UPPER),
    "AWS temporary key": fake("AS", "IA", size=16, of=UPPER),
    "GitHub personal": fake("gh", "p_", size=36),
    "GitHub OAuth": fake("gh", "o_", size=36),
    "GitHub user to server": fake("gh", "u_", size=36),
    "GitHub server": fake("gh", "s_", size=36),
    "GitHub refresh": fake("gh", "r_", size=76),
    "GitHub fine-grained": fake("github", "_pat_", size=22) + fake("_", size=59),
    "GitLab personal": fake("gl", "pat-", size=20),
    "GitLab deploy": fake("gl", "dt-", size=20),
    "GitLab runner": fake("gl", "rt-", size=20),
    "GitLab CI build": fake("gl", "cbt-", size=23),
    "Slack bot": fake("xo", "xb-", size=12, of=DIGITS) + fake("-", size=12, of=DIGITS) + fake("-", size=24),
    "Slack user": fake("xo", "xp-", size=12, of=DIGITS) + fake("-", size=24),
    "Slack app": fake("xa", "pp-1-", size=10, of=UPPER) + fake("-", size=40, of=HEX),
    "Stripe secret": fake("sk", "_live_", size=24),
    "Stripe restricted": fake("rk", "_live_", size=24),
    "Stripe publishable": fake("pk", "_live_", size=24),
    "Stripe test": fake("sk", "_test_", size=24),
    "Stripe webhook": fake("wh", "sec_", size=32),
    "OpenAI": fake("s", "k-", size=48),
    "OpenAI project": fake("s", "k-proj-", size=60),
    "Anthropic": fake("s", "k-ant-api03-", size=80),
    "OpenRouter": fake("s", "k-or-v1-", size=64, of=HEX),
    "Google API": fake("AI", "za", size=35),
    "Google OAuth token": fake("ya", "29.", size=60),
    "Google client secret": fake("GOC", "SPX-", size=28),
    "SendGrid": fake("S", "G.", size=22) + fake(".", size=43),
    "Brevo": fake("xkey", "sib-", size=64, of=HEX) + fake("-", size=16),
    "Mailgun": fake("ke", "y-", size=32, of=HEX),
    "Mailchimp": fake(size=32, of=HEX) + "-us" + "14",
    "Resend": fake("r", "e_", size=10) + fake("_", size=24),
    "npm": fake("np", "m_", size=36),
    "PyPI": fake("py", "pi-AgEIcHlwaS5vcmc", size=80),
    "RubyGems": fake("ruby", "gems_", size=48, of=HEX),
    "Docker": fake("dc", "kr_pat_", size=27),
    "Hugging Face": fake("h", "f_", size=34, of=LETTERS),
    "Replicate": fake("r", "8_", size=37),
    "Groq": fake("gs", "k_", size=52),
    "Perplexity": fake("pp", "lx-", size=48),
    "xAI": fake("xa", "i-", size=80),
    "DigitalOcean": fake("do", "p_v1_", size=64, of=HEX),
    "DigitalOcean OAuth": fake("do", "o_v1_", size=64, of=HEX),
    "Shopify access": fake("sh", "pat_", size=32, of=HEX),
    "Shopify shared": fake("sh", "pss_", size=32, of=HEX),
    "Supabase": fake("sb", "p_", size=40, of=HEX),
    "Netlify": fake("nf", "p_", size=36),
    "Facebook": fake("EA", "ACEdEose0cBA", size=80),
    "Square": fake("sq", "0atp-", size=22),
    "Braintree": fake("access", "_token$production$", size=16) + fake("$", size=32, of=HEX),
    "EasyPost": fake("EZ", "AK", size=54),
    "Twilio key": fake("S", "K", size=32, of=HEX),
    "Twilio account": fake("A", "C", size=32, of=HEX),
    "Telegram": "123456789:" + fake("A", "A", size=33),
    "Discord bot": fake("M", "T", size=22) + fake(".", size=6) + fake(".", size=38),
    "Atlassian": fake("AT", "ATT3xFfGF0", size=80),
    "Bitbucket": fake("AT", "BB", size=32),
    "age": fake("AGE-", "SECRET-KEY-1", size=58, of=UPPER),
    "Vault": fake("hv", "s.", size=90),
    "Vault batch": fake("hv", "b.", size=90),
    "Terraform": fake(size=14) + fake(".atlas", "v1.", size=60),
    "Grafana": fake("gl", "sa_", size=32) + fake("_", size=8, of=HEX),
    "Grafana cloud": fake("gl", "c_", size=80),
    "New Relic": fake("NR", "AK-", size=27, of=UPPER),
    "Sentry": fake("snt", "rys_", size=80),
    "Dynatrace": fake("dt", "0c01.", size=24, of=UPPER) + fake(".", size=64, of=UPPER),
    "Linear": fake("lin", "_api_", size=40),
    "Notion": fake("nt", "n_", size=46),
    "Notion, old": fake("sec", "ret_", size=43),
    "Figma": fake("fig", "d_", size=40),
    "Airtable": fake("pa", "t", size=14) + fake(".", size=64, of=HEX),
    "Databricks": fake("da", "pi", size=32, of=HEX),
    "Postman": fake("PM", "AK-", size=24, of=HEX) + fake("-", size=34, of=HEX),
    "Doppler": fake("d", "p.pt.", size=43),
    "Pulumi": fake("pu", "l-", size=40, of=HEX),
    "Tailscale": fake("ts", "key-auth-", size=12) + fake("-", size=32),
    "PlanetScale": fake("ps", "cale_tkn_", size=43),
    "Fly.io": fake("f", "o1_", size=43),
    "Heroku": fake("HR", "KU-AA", size=58),
    "CircleCI": fake("CC", "IPAT_", size=22) + fake("_", size=40, of=HEX),
    "SonarQube": fake("sq", "p_", size=40, of=HEX),
    "Alibaba": fake("LT", "AI", size=20),
    "Artifactory": fake("AK", "Cp", size=69),
    "Contentful": fake("CF", "PAT-", size=43),
    "1Password": fake("op", "s_eyJ", size=200),
    "Django's hash": "pbkdf2" + "_sha256$600000$" + fake(size=22) + "$" + fake(size=30) + "/" + fake(size=12) + "=",
    "bcrypt": "$2" + "b$12$" + fake(size=53),
    "Twitter bearer": "A" * 22 + fake(size=80),
    "Azure AD": fake(size=3) + "8Q" + "~" + fake(size=34),
    "JWT": f"{encoded({'alg': 'HS256'})}.{encoded({'sub': '1234567890'})}.{fake(size=43)}",
    "JWE": ".".join([encoded({"alg": "RSA-OAEP"}), *(fake(size=20) for _ in range(4))]),
    "Mapbox": f"{'sk'}.{encoded({'u': 'someone', 'a': 'abcdefgh'})}.{fake(size=22)}",
    "Visa": "4111" "1111" "1111" "1111",
    "Visa, grouped": "4242 4242" " 4242 4242",
    "Mastercard": "5555-5555" "-5555-4444",
    "American Express": "3782 822463" " 10005",
    "Discover": "60111111" "11111117",
    "Diners": "305693" "09025904",
}  # fmt: skip

CONTEXTS = {
    "alone": "{}",
    "in prose": "the server refused {} (403)",
    "in quotes": "ValueError: '{}' is no use",
    "in JSON": '{{"data": ["x", "{}"]}}',
    "in escaped JSON": '"{{\\"data\\": \\"{}\\"}}"',
    "after an escaped line end": "first line\\n{}\\nlast line",
    "in a query": "https://host.example/path?a=b&c={}&d=e",
    "in a path": "https://host.example/bot123456:{}/send",
    "as an argument": "client.call({}, timeout=5)",
}


def leaks(found: str, secret: str) -> bool:
    """Tell whether the end of a secret is in a text, as it is or escaped for a URL or for JSON."""
    return any(form[-12:] in found for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]))


@pytest.mark.parametrize("context", CONTEXTS)
def test_known_formats_are_masked_wherever_they_stand(context: str) -> None:
    """Nothing of them longer than a prefix is left."""
    found = {name: scrub(CONTEXTS[context].format(secret)) for name, secret in FORMATS.items()}

    assert {name: text for name, text in found.items() if leaks(text, FORMATS[name]) or MASK not in text} == {}


def test_known_formats_are_masked_in_an_escaped_url() -> None:
    """A %-escape may stand right before one; grouped digits and `$` are torn apart by theirs, that is known."""
    url = "next=https%3A%2F%2Fhost%2F%3Fx%3D{}%26y%3D1"

    found = {name: scrub(url.format(quote(secret, safe=""))) for name, secret in FORMATS.items()}

    torn = {"Visa, grouped", "American Express", "Braintree", "Django's hash", "bcrypt"}
    assert {name for name, text in found.items() if leaks(text, FORMATS[name])} <= torn


PEM = "-----BEGIN {0}PRIVATE KEY{1}-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END {0}PRIVATE KEY{1}-----"

OTHERS = {
    "PEM": (PEM.format("", ""), "hkiG9w0B"),
    "PEM RSA": (PEM.format("RSA ", ""), "MIIEvQ"),
    "PEM OpenSSH": (PEM.format("OPENSSH ", ""), "MIIEvQ"),
    "PEM encrypted": (PEM.format("ENCRYPTED ", ""), "MIIEvQ"),
    "PGP": (PEM.format("PGP ", " BLOCK"), "MIIEvQ"),
    "PEM in one line": (PEM.format("EC ", "").replace("\n", "\\n"), "MIIEvQ"),
    "PEM without its end": (PEM.format("", "")[:60] + "\nline\nlast", "last"),
    "PEM cut in its last line": (PEM.format("", "")[:-3], "hkiG"),
    "URL": ("could not reach postgres://admin:hunter2@db:5432/app", "hunter2"),
    "URL, user": ("could not reach postgres://admin:hunter2@db:5432/app", "admin"),
    "URL with @ in the password": ("https://u:p@ss9@host/x?mail=a@b.c", "ss9"),
    "URL with / in the password": ("amqp://u:pa/ss9@host//", "ss9"),
    "URL without a user": ("redis://:hunter2@cache:6379/0", "hunter2"),
    "URL, two hosts": ("amqp://a:hunter1@h1;amqp://b:hunter2@h2", "hunter"),
    "URL in JSON": ('{"u": "https:\\/\\/u:hunter2@host\\/"}', "hunter2"),
    "URL, escaped": ("next=https%3A%2F%2Fu%3Ahunter2%40host%2F", "hunter2"),
    "URL, token as the user": ("git clone https://" + fake(size=30) + "@github.com/x", FORMATS["npm"][4:]),
    "Bearer": ("sent Bearer abc123def to it", "abc123def"),
    "Bearer, escaped space": ("auth=Bearer%20abc123def", "abc123def"),
    "Basic": (f"sent Basic {base64.b64encode(b'user:hunter2').decode()} to it", "aHVudGVy"),
    "Basic, cut": (f"sent Basic {base64.b64encode(b'user:hunter2').decode()[:11]}", "dXNlcjpo"),
    "Token": ("sent Token 9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b", "9944b091"),
    "Digest": ('Digest username="bob", realm="x", response="6629fae49393"', "6629fae4"),
    "SMTP": (f"send: AUTH PLAIN {base64.b64encode(bytes(1) + b'bob' + bytes(1) + b'hunter2').decode()}", "aHVudGVy"),
    "Stripe webhook with a slash": ("wh" + "sec_" + "a1B2" * 5 + "/" + "c3D4" * 3, "c3D4"),
    "NTLM": ("NTLM TlRMTVNTUAABAAAAB4IIogAAAAAAAAAA123", "TlRMTVNT"),
    "Slack webhook": ("https://hooks.slack.com/services/T00000000/B0000/abcdefgh1234", "abcdefgh1234"),
    "Discord webhook": ("https://discord.com/api/webhooks/123456/abc-DEF_ghijkl", "DEF_ghij"),
    "Teams webhook": ("https://x.webhook.office.com/webhookb2/aaaa-bbbb@cccc/Incoming", "aaaa-bbbb"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_blocks_urls_and_schemes_are_masked(name: str) -> None:
    """PEM blocks, credentials in URLs, Authorization schemes, addresses of webhooks."""
    text, secret = OTHERS[name]

    found = scrub(text)

    assert secret not in found
    assert MASK in found


HARMLESS = """
3f2a9c1b7d4e8f60a1b2c3d4e5f60718293a4b5c
d41d8cd98f00b204e9800998ecf8427e
e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
550e8400-e29b-41d4-a716-446655440000
task 6f1c2d3e-4b5a-6978-8a9b-0c1d2e3f4a5b failed
1732370000123456789
order 1732370000123 not found
4111111111111112 has a wrong check digit
phone +57 301 555 1234
2024-05-01T10:30:00.123456+00:00
theater 4 showed 12 films on 2024-05-01
0x7f3b2c1d4e50
192.168.100.200:8080
https://example.com/path/to/page?page=2&size=50
https://example.com:8443/user@example.com/profile
http://[::1]:8000/mail@x
mailto:someone@example.com
user@example.com could not be found
git@github.com:owner/repository.git
ssh://git@github.com/owner/repository.git
Basic information about the film
basic authentication is required
Bearer token is missing
WWW-Authenticate: Bearer realm="api"
unexpected token at position 5
SyntaxError: Unexpected token 'x'
digest of the file differs
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
app.3f2a9c1b.chunk.js
site-packages/requests/adapters.py
sk-circle-fade-dot
sk-learn 1.4.2
task-0123456789abcdef0123
disk-abcdefghijklmnop
mask-abcdefghijklmnop1
test_get_or_create_movie_with_no_showtimes
key-value store is down
npm_config_registry is not set
hf_transfer is not installed
pypi-mirror timed out
/usr/lib/python3.11/http/client.py
data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
-----BEGIN CERTIFICATE-----
-----BEGIN PUBLIC KEY-----
------------------------------
the colour is #ff00aa and the id 42
MAC 00:1a:2b:3c:4d:5e
arn:aws:s3:::bucket/key
s3://bucket/path/to/object.json
ModuleNotFoundError: No module named 'tokenize_rt'
celery@worker-7f9c6d5b8-x2x4z
django.core.exceptions.ImproperlyConfigured
EAGAIN: Resource temporarily unavailable
ACCESS DENIED
SKIPPED 12 of 34
SG.1 is a version
version 3.11.7+local.20240501
pat answered
HTTP/1.1 404 Not Found
Content-Length: 1234567890123
isbn 978-3-16-148410-0
colombia.com/cine/peliculas/avatar-el-camino-del-agua
tt0499549
imdb:tt1630029:2022
""".strip().splitlines()


def test_look_alikes_stay_readable() -> None:
    """Hashes, ids, times, addresses and prose lose nothing."""
    assert [scrub(text) for text in HARMLESS] == HARMLESS
