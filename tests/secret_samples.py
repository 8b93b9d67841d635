"""Secrets and what only looks like one, for measuring how many the scrubber tells apart.

UNSEEN was written from the vendors' documentation without a look at the scrubber's patterns, LOOK_ALIKES from what
stands in real logs. Secrets are put together at run time, so that no scanner takes this file for a leak.
"""

from __future__ import annotations

import base64
import random
import string
from typing import Final

_CHANCE: Final = random.Random(20_261_125)
_LETTERS, _DIGITS = string.ascii_letters, string.digits
ALNUM, HEX, UPPER, LOWER = (
    _LETTERS + _DIGITS,
    "0123456789abcdef",
    string.ascii_uppercase + _DIGITS,
    "abcdefghjkmnpqrs0123456789",
)
URLSAFE = ALNUM + "-_"


def _r(size: int, of: str = ALNUM) -> str:
    return "".join(_CHANCE.choice(of) for _ in range(size))


def _b64(size: int) -> str:
    return base64.b64encode(_CHANCE.randbytes(size)).decode()


def _uuid() -> str:
    return "-".join(_r(size, HEX) for size in (8, 4, 4, 4, 12))


UNSEEN: Final = {
    "Adafruit IO": "aio" + "_" + _r(28),
    "Adobe client secret": "p8e" + "-" + _r(32, HEX),
    "Airtable OAuth": "oaa" + _r(14) + ".v1." + _r(43, HEX),
    "Anthropic admin": "sk-" + "ant-admin01-" + _r(93, URLSAFE),
    "AWS Bedrock": "ABSK" + _b64(90),
    "AWS secret, named": "aws_secret_access_key = " + _r(40, ALNUM + "/+"),
    "Azure storage connection": "DefaultEndpointsProtocol=https;AccountName=x;Account" + "Key=" + _b64(64),
    "Azure SAS": "https://x.blob.core.windows.net/c?sv=2022-11-02&si" + "g=" + _r(43) + "%3D",
    "Beamer": "b_" + _r(44),
    "Buildkite agent": "bkua" + "_" + _r(40, HEX),
    "Cerebras": "csk" + "-" + _r(48, LOWER),
    "Clerk": "sk_" + "live_" + _r(40),
    "Clojars": "CLO" + "JARS_" + _r(60, LOWER),
    "Cloudflare origin CA": "v1.0" + "-" + _r(24, HEX) + "-" + _r(146, HEX),
    "Coinbase private key": "-----BEGIN EC " + "PRIVATE KEY-----\n" + _b64(90) + "\n-----END EC PRIVATE KEY-----",
    "Databricks": "da" + "pi" + _r(32, HEX) + "-2",
    "DeepSeek": "sk" + "-" + _r(32, HEX),
    "DigitalOcean refresh": "dor" + "_v1_" + _r(64, HEX),
    "Docker OAT": "dckr" + "_oat_" + _r(32),
    "Doppler service": "dp." + "st.prd." + _r(43),
    "Dropbox short-lived": "sl." + _r(140, URLSAFE),
    "Duffel": "duffel" + "_live_" + _r(43, URLSAFE),
    "Dynatrace": "dt0" + "s16." + _r(24, UPPER) + "." + _r(64, UPPER),
    "EasyPost test": "EZ" + "TK" + _r(54),
    "ElevenLabs": "sk" + "_" + _r(48, HEX),
    "Figma OAuth": "figo" + "_" + _r(40, URLSAFE),
    "Flutterwave": "FLW" + "SECK_TEST-" + _r(32, HEX) + "-X",
    "Frame.io": "fio" + "-u-" + _r(64, URLSAFE),
    "GitHub app": "gh" + "u_" + _r(36),
    "GitHub fine-grained": "github" + "_pat_" + _r(22) + "_" + _r(59),
    "GitLab feed": "gl" + "ft-" + _r(20, URLSAFE),
    "GitLab runner registration": "GR13" + "48941" + _r(20, URLSAFE),
    "GoCardless": "live" + "_" + _r(40, URLSAFE),
    "Google service account": '{"type": "service_account", "private_key": "-----BEGIN ' + 'PRIVATE KEY-----\\n' + _b64(90) + '\\n"}',
    "Google refresh token": "1//" + "0" + _r(60, URLSAFE),
    "Grafana service account": "gl" + "sa_" + _r(32) + "_" + _r(8, HEX),
    "Harness": "pat." + _r(22) + "." + _r(24, HEX) + "." + _r(20),
    "HashiCorp Vault service": "hv" + "s." + _r(95, URLSAFE),
    "Heroku": "HR" + "KU-AA" + _r(58),
    "Hugging Face organisation": "api_" + "org_" + _r(34, _LETTERS),
    "Infracost": "ico" + "-" + _r(32),
    "Intra42": "s-" + "s4t2ud-" + _r(64, HEX),
    "JFrog identity": "cmVm" + "dGtuOj" + _r(56),
    "Kubernetes service account": "ey" + "JhbGciOiJSUzI1NiIsImtpZCI6IiJ9." + _r(120, URLSAFE) + "." + _r(86, URLSAFE),
    "LangSmith": "lsv2" + "_pt_" + _r(32, HEX) + "_" + _r(10, HEX),
    "Linear OAuth": "lin" + "_oauth_" + _r(64, HEX),
    "Lob": "live" + "_pub_" + _r(31, HEX),
    "Mailgun public": "pub" + "key-" + _r(32, HEX),
    "MapBox": "pk." + "eyJ1Ijoi" + _r(60) + "." + _r(22),
    "Microsoft Teams webhook": "https://x.webhook.office.com/webhook" + "b2/" + _uuid() + "@" + _uuid() + "/IncomingWebhook/" + _r(32, HEX),
    "MongoDB address": "mongodb+srv://app:" + _r(18) + "@cluster0.abcde.mongodb.net/app",
    "Neon": "napi" + "_" + _r(64, LOWER),
    "New Relic browser": "NR" + "JS-" + _r(19, HEX),
    "New Relic insert": "NR" + "II-" + _r(32, URLSAFE),
    "Notion": "ntn" + "_" + _r(46),
    "npm": "np" + "m_" + _r(36),
    "NuGet": "oy2" + _r(43, LOWER),
    "Okta, named": "Authorization: SSWS " + "00" + _r(40, URLSAFE),
    "OpenAI project": "sk" + "-proj-" + _r(74, URLSAFE) + "T3Blbk" + "FJ" + _r(74, URLSAFE),
    "OpenAI service": "sk" + "-svcacct-" + _r(74, URLSAFE) + "T3Blbk" + "FJ" + _r(74, URLSAFE),
    "OpenShift": "sha256" + "~" + _r(43, URLSAFE),
    "PayPal Braintree": "access" + "_token$production$" + _r(16, LOWER) + "$" + _r(32, HEX),
    "Perplexity": "pp" + "lx-" + _r(48),
    "Pinecone": "pcsk" + "_" + _r(6) + "_" + _r(62),
    "Plaid": "access" + "-production-" + _uuid(),
    "PlanetScale OAuth": "pscale" + "_oauth_" + _r(43, URLSAFE),
    "PostHog": "phx" + "_" + _r(43),
    "Prefect": "pnu" + "_" + _r(36),
    "PyPI": "py" + "pi-AgEIcHlwaS5vcmc" + _r(120, URLSAFE),
    "Razorpay": "rzp" + "_live_" + _r(14),
    "ReadMe": "rd" + "me_" + _r(70, LOWER),
    "Redis address": "rediss://default:" + _r(20) + "@host:6380/0",
    "Scalingo": "tk" + "-us-" + _r(48, URLSAFE),
    "SendGrid": "S" + "G." + _r(22, URLSAFE) + "." + _r(43, URLSAFE),
    "Sendinblue": "xkey" + "sib-" + _r(64, HEX) + "-" + _r(16),
    "Sentry organisation": "sntr" + "ys_eyJ" + _r(90) + "_" + _r(43, ALNUM + "+/"),
    "Sentry user": "sntr" + "yu_" + _r(64, HEX),
    "Shippo": "shippo" + "_live_" + _r(40, HEX),
    "Shopify": "shp" + "at_" + _r(32, HEX),
    "Sidekiq gems": "https://" + _r(8, HEX) + ":" + _r(8, HEX) + "@gems.contribsys.com/",
    "Slack configuration": "xoxe" + ".xoxp-1-" + _r(160),
    "Slack legacy": "xoxs" + "-" + _r(10, _DIGITS) + "-" + _r(10, _DIGITS) + "-" + _r(10, _DIGITS) + "-" + _r(10, HEX),
    "Slack webhook": "https://hooks.slack.com/ser" + "vices/T" + _r(8, UPPER) + "/B" + _r(10, UPPER) + "/" + _r(24),
    "Sourcegraph": "sgp" + "_" + _r(16, HEX) + "_" + _r(40, HEX),
    "Square": "EAAA" + "E" + _r(59, URLSAFE),
    "Stripe restricted": "rk" + "_test_" + _r(99),
    "Supabase secret": "sb" + "_secret_" + _r(31, URLSAFE),
    "Tailscale": "ts" + "key-api-" + _r(12) + "CNTRL-" + _r(32),
    "Telegram bot": _r(10, _DIGITS) + ":" + "AA" + _r(33, URLSAFE),
    "Tencent": "AK" + "ID" + _r(32),
    "Terraform Cloud": _r(14) + ".atlas" + "v1." + _r(67, URLSAFE),
    "Twilio": "S" + "K" + _r(32, HEX),
    "Typeform": "tfp" + "_" + _r(59, URLSAFE),
    "Vercel Blob": "vercel" + "_blob_rw_" + _r(16) + "_" + _r(30),
    "xAI": "xa" + "i-" + _r(80),
    "Yandex API": "AQVN" + _r(38, URLSAFE),
    "Yandex session": "t1." + _r(60, URLSAFE) + "=." + _r(86, URLSAFE),
}  # fmt: skip
"""Formats of keys that a reader of the vendor's pages would call well known: each with a look of its own."""

_IMAGE: Final = base64.b64encode(b"\x89PNG\r\n\x1a\n" + _CHANCE.randbytes(240)).decode()

LOOK_ALIKES: Final = {
    "commit hashes": [
        _r(40, HEX), f"commit {_r(40, HEX)}", f"at {_r(7, HEX)}", f"v1.4.2-12-g{_r(8, HEX)}",
        f"https://github.com/django/django/commit/{_r(40, HEX)}", f"merge {_r(40, HEX)} into {_r(40, HEX)}",
        f"refs/pull/1234/{_r(40, HEX)}", f"image: registry.example/app:{_r(12, HEX)}",
    ],
    "identifiers": [
        _uuid(), f"theater {_uuid()} not found", "urn:uuid:" + _uuid(), f"task id {_uuid()}", _r(24, HEX),
        "01ARZ3NDEKTSV4RRFFQ69G5FAV", "0ujtsYcgvSTl8PAuAdqWYSMnLOv", "V1StGXR8_Z5jdHi6B-myT", "175928847299117063",
        "ckopqwooh000001la8mbi2im9", "507f1f77bcf86cd799439011", "cus_9s6XKzkNRiz8i3", "ch_3MmlLrLkdIwHu7ix0snN0B15",
        "evt_1NG8Du2eZvKYlo2CUI79vXWy", "in_1MtHbELkdIwHu7ixl4OzzPMv", "arn:aws:iam::123456789012:role/app",
        "i-0abcd1234efgh5678", "vpc-0a1b2c3d4e5f67890", "subnet-12345678", "projects/p/topics/t",
        f"request id {_r(32, UPPER)}"[:43], "CVE-2024-12345", "RFC9110", "ORD-2024-0001234",
    ],
    "digests": [
        _r(32, HEX), _r(64, HEX), "sha256:" + _r(64, HEX), "sha512-" + _b64(64), "md5 " + _r(32, HEX),
        f'ETag: "{_r(32, HEX)}"', f'ETag: W/"{_r(8, HEX)}-{_r(27)}"', "Content-MD5: " + _b64(16),
        "SHA256:" + _r(43), f"integrity sha384-{_b64(48)}", f"python@sha256:{_r(64, HEX)}",
        "AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01",
    ],
    "traces": [
        f"traceparent: 00-{_r(32, HEX)}-{_r(16, HEX)}-01", f"trace_id={_r(32, HEX)} span_id={_r(16, HEX)}",
        f"X-Request-Id: {_uuid()}", f"X-Amzn-Trace-Id: Root=1-{_r(8, HEX)}-{_r(24, HEX)}", f"cf-ray: {_r(16, HEX)}-BOG",
        f"correlation-id: {_uuid()}", f"sentry-trace: {_r(32, HEX)}-{_r(16, HEX)}-1", f"event_id={_r(32, HEX)}",
    ],
    "paths": [
        "/home/app/venv/lib/python3.12/site-packages/django/db/models/query.py", "/tmp/tmp" + _r(8, LOWER),
        "/var/lib/docker/overlay2/" + _r(64, HEX) + "/merged", "C:\\Users\\app\\AppData\\Local\\Temp\\tmp3x1.tmp",
        "s3://bucket/2024/05/01/" + _uuid() + ".parquet", "gs://bucket/object-" + _r(16, LOWER), "file:///srv/app/x.py",
        "static/js/main." + _r(8, HEX) + ".chunk.js", "/proc/self/fd/12", "media/posters/avatar_2_" + _r(7) + ".jpg",
        "/nix/store/" + _r(32, LOWER) + "-python3-3.12.4", "node_modules/.pnpm/react@18.2.0/node_modules/react",
    ],
    "mail": [
        f"Message-ID: <{_r(14, UPPER)}.{_r(12)}@mail.example.com>", "someone.else+tag@example.co.uk", f"<{_uuid()}@host>",
        f"Message-Id: <CA+{_r(50, URLSAFE)}@mail.gmail.com>", "mailto:help@example.com?subject=Hi", "550 5.1.1 no such user",
        f"X-Mailer-Id: {_r(20, UPPER)}", "reply to bounce+" + _r(12, HEX) + "@example.com",
    ],
    "images and text in base64": [
        "data:image/png;base64," + _IMAGE, "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7",
        _IMAGE, "SGVsbG8gd29ybGQsIHRoaXMgaXMgYSB0ZXN0", "data:font/woff2;base64," + _b64(120), "eyJmb28iOiAiYmFyIn0=",
        "cursor=eyJpZCI6IDQyfQ", "next page b2Zmc2V0PTEwMA==",
    ],
    "numbers": [
        "ISBN 978-0-13-468599-1", "ISBN-10 0-306-40615-2", "EAN 4006381333931", "doi:10.1000/182", "+57 601 234 5678",
        "1714559400123456", "3.141592653589793238", "IBAN-less account 12-345-678", "tracking 1Z999AA10123456784",
        "ORCID 0000-0002-1825-0097", "VIN 1HGCM82633A004352", "lat 4.710989, lon -74.072092", "tt0499549", "18446744073709551615",
        "9999 9999 9999 9999 rows", "0.1.2.3.4.5.6.7.8.9", "GTIN 00012345600012", "port 5432 and pid 12345",
    ],
    "names and versions": [
        "celery@worker-7d9f8b6c5d-abcde", "cinema-web-6b7f9c8d5f-x2v9k", "ip-10-0-12-34.ec2.internal", "sk-learn==1.5.0",
        "key-value-store-backup", "token-bucket-rate-limiter", "secretary-of-state", "password-reset-form.html",
        "test_token_is_refreshed_when_it_expires", "get_or_create_api_key_for_user", "ghp-pages-deploy-action-v4",
        "AKIRA (1988)", "SKYSCRAPER", "AIzawl the film", "xoxo-gossip-girl", "hf-mirror.example", "npm_lifecycle_event",
        "pypi-publish", "glpatents search", "rk_learning_rate", "sq-apple", "dop_v2", "eyJafjallajokull erupted", "SGML.parser.error",
        "EAAccess", "ATATurk airport", "shpattern", "figdraw", "patio furniture", "AGE-RESTRICTED content", "re_compile_error",
    ],
    "prose and errors": [
        "the password is required", "invalid token: end of file", "Bearer authentication is required for this resource",
        "Authorization header is missing", "basic income for everybody", "cookie consent was not given", "api_key is None",
        "secret must be at least 32 bytes", "KeyError: 'token'", "token expired at 2024-05-01T00:00:00Z", "password=None",
        "could not parse private key: no start line", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + _r(43) + " app@host", "session closed", "the key 'title' is missing",
        "unexpected keyword argument 'password'", "primary key (id)=(5) already exists", "sort key must be a string",
        "csrf check failed", "max_tokens must be positive", "token count 1024", "access denied for user", "pin the version",
    ],
    "addresses": [
        "https://www.colombia.com/cine/cartelera/bogota", "https://image.tmdb.org/t/p/w500/" + _r(27) + ".jpg",
        "https://youtu.be/dQw4w9WgXcQ", "https://example.com/a?utm_source=x&utm_campaign=spring_2024", "http://[2001:db8::1]:8080/",
        "https://docs.google.com/document/d/" + _r(44, URLSAFE) + "/edit", "redis://localhost:6379/0", "amqp://broker:5672//",
        "postgres://db.example:5432/app", "https://example.com/@someone/status/1789", "git@gitlab.com:group/project.git",
        "https://cdn.example.com/v=" + _r(10, HEX), "wss://example.com/socket?room=42", "fe80::1ff:fe23:4567:890a",
    ],
}  # fmt: skip
"""Text that real logs are full of and that is nobody's secret."""
