"""The scrubber: values beside secret names in free text, the host's own words, idempotence, linear time."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issue_tracker.scrubber import MASK, is_secret_key, scrub

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper

CANARY = "Zx9-canary-7Qw"

PAIRS = [
    "password={}",
    "password = {}",
    "password: {}",
    "Password: {}",
    "PASSWORD={} and more",
    "'password': '{}'",
    '"password": "{}"',
    '{{"user": "x", "password": "{}", "b": 1}}',
    "{{'password': b'{}'}}",
    "{{'a': {{'api_key': '{}'}}}}",
    '"{{\\"password\\": \\"{}\\"}}"',
    '"{{\\\\\\"password\\\\\\": \\\\\\"{}\\\\\\"}}"',
    "\\u0022password\\u0022: \\u0022{}\\u0022",
    "&quot;password&quot;: &quot;{}&quot;",
    "password=&#x27;{}&#x27;",
    'password="""{}"""',
    'login(user="x", password="{}")',
    "Login(username='x', password='{}')",
    "password => {}",
    "'password' => '{}'",
    "password := {}",
    "password == '{}'",
    "os.environ['DB_PASSWORD'] = '{}'",
    'data["secret"] = "{}"',
    "https://host/path?token={}",
    "https://host/path?a=1&api_key={}&b=2",
    "https://host/path?a=1&amp;access_token={}&amp;b=2",
    "/3/movie/5?language=es&api_key={}",
    "https://host/?user[password]={}&x=1",
    "https://host/?user%5Bpassword%5D={}&x=1",
    "https://host/?X-Amz-Signature={}&X-Amz-Date=1",
    "https://host/?sv=1&sig={}",
    "q=password%3D{}%26a%3Db",
    "%22password%22%3A%22{}%22",
    "a=1;password={};b=2",
    "Server=x;User Id=sa;Pwd={};Database=y",
    "AccountName=x;AccountKey={};EndpointSuffix=core",
    "host=db user=x password={} dbname=y",
    "Authorization: {}",
    "Authorization: Bearer {}",
    "authorization: Custom scheme {} with blanks",
    "curl -H 'Authorization: Bearer {}' http://host",
    "{{'Authorization': 'Bearer {}', 'Host': 'x'}}",
    "Cookie: a=1; sessionid={}; b=2",
    "Cookie: first={}; second={}",
    "Set-Cookie: anything={}; Path=/",
    "X-Api-Key: {}",
    "x-auth-token:{}",
    "('X-Api-Key', '{}')",
    "[('Host', 'x'), ('X-Auth-Token', '{}')]",
    "(b'authorization', b'{}')",
    "['mysqldump', '--password', '{}']",
    "['psql', '--password={}']",
    "mysqldump --password {} --host x",
    "mysql -u root -p{} db",
    "curl -u admin:{} http://host",
    "CREATE USER x IDENTIFIED BY '{}'",
    "ALTER USER x IDENTIFIED WITH mysql_native_password BY '{}'",
    "CREATE ROLE x LOGIN PASSWORD '{}'",
    "CREATE ROLE x PASSWORD 'it''s {}'",
    "<password>{}</password>",
    "<ns:SecretAccessKey xmlns='x'>{}</ns:SecretAccessKey>",
    '<input type="hidden" name="csrfmiddlewaretoken" value="{}">',
    "api key: {}",
    "Invalid API key: {}",
    "access key = {}",
    "the password is {}",
    "token was '{}'",
    "passphrase: correct horse {} staple",
    "credentials: {{'user': 'x', 'pw': '{}'}}",
    "'cookies': {{'a': '{}'}}",
    "secrets=('{}',), secret=['{}']",
    "first\\npassword={}\\nlast",
    "first\npassword={}\nlast",
    "db_password: str = '{}'",
    "KeyError: 'x'\nclient_secret={}",
    "tmdb_key=ab12cd34ef56ab78{}",
    "https://host/?key=ab12cd34ef56ab78{}",
    "DETAIL:  Key (token)=({}) already exists.",
    "DETAIL:  Key (session_key, user_id)=({}, 5) already exists.",
    "Duplicate entry '{}' for key 'authtoken_token.PRIMARY'",
    "KeyError: 'Duplicate entry \\'{}\\' for key \\'authtoken_token.PRIMARY\\''",
    "{{'password':\n     '{}'}}",
    '"Cookie: a=\\"b\\"; c={}"',
    "contraseña={}",
    "clave: {}",
    'password="{}',
    "'password': '{} and so on without an end",
]

HARMLESS = [
    'raise ValueError("password is required")',
    "KeyError: 'password'",
    "KeyError: 'api_key'",
    "Access denied for user 'x'@'localhost' (using password: YES)",
    "password: None",
    "token=null&page=2",
    "'password': ''",
    "password=, user=x",
    "author: Tolkien",
    "keyboard=qwerty",
    "tokens: 12",
    "max_tokens=4096",
    '"tokens": 12, "total_tokens": 40',
    "primary_key=True",
    "cache_key: movie:5",
    "session_count=3",
    "Invalid token: expired",
    "The password must be longer",
    "Token::new(1)",
    "a ? b : c",
    "pin_count: 4",
    "password=password",
    "secret_name: app/db",
    "token_url=https://host/token",
    "https://api.themoviedb.org/3/movie/5?language=es&page=2",
    "{'movie_name': 'Avatar', 'theater_id': 5}",
    "fields = ('password', 'email')",
    "author='J. R. R.', title='The Key'",
    "code: 404",
    "https://host/?key=name&code=es",
    "AttributeError: 'NoneType' object has no attribute 'token'",
    "django.db.utils.IntegrityError: UNIQUE constraint failed: auth_user.username",
    "cryptography.fernet.InvalidToken",
    "unexpected token: line 5",
    "sort_key=title",
    "--token-file /path --verbose",
    "cryptography.fernet.InvalidToken: no",
    "SELECT * FROM t WHERE token = %(token_1)s AND secret = %s",
    "password=********",
    "dependencies = [('auth', '0012_alter_user')]",
    "InvalidAccessKeyId: The AWS Access Key Id you provided does not exist",
    "HTTPError: 403 Client Error: Forbidden for url: https://host/path",
    "TypeError: login() missing 1 required positional argument: 'password'",
    "The SECRET_KEY setting must not be empty.",
]

TRACEBACK = """Traceback (most recent call last):
  File "/srv/app/tasks.py", line 12, in login
    token = client.login(user, password=password, api_key=settings.TMDB_API_KEY)
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/app/client.py", line 40, in login
    def login(self, user: str, password: str, token=None, secret=get_secret(name)) -> Token:
  File "/srv/app/client.py", line 41, in send
    headers["Authorization"] = token
ValueError: no answer"""

SCREWS = [
    "a", "token", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----\n", "://", "://a:", "http://a:b", "a:a@", " ", "1",
    "4111 ", "4111111111111111 ", "token=", "token: [\n", 'token="', 'password=\\"', "eyJ-", "a-", "--",
    "('password', '", "bearer ", "<password>", "\n", '\n  File "', "&a", "'", "\\", "key: ", "api key: ",
    "%3A%2F%2F%40", "mysql -p", "Cookie: ", "-u a:", "token=a,", "\n    token=a", "password is ", "{", "=",
    "identified by '", "&quot;password&quot;:&quot;", "AA", "SG.-SG", 'token=[a\\"', "token=[ '\\'", "token={'a\\'",
]  # fmt: skip


@pytest.mark.parametrize("text", PAIRS)
def test_the_value_of_a_secret_name_is_masked(text: str) -> None:
    """In every notation; the canary is not left as it is, nor escaped for a URL or for JSON."""
    found = scrub(text.format(CANARY, CANARY))

    assert MASK in found
    assert not [form for form in (CANARY, quote(CANARY), json.dumps(CANARY)[1:-1], CANARY[4:]) if form in found]


@pytest.mark.parametrize("text", PAIRS)
def test_an_escaped_value_is_masked_too(text: str) -> None:
    """A value with %-escapes, or with quotes and backslashes as JSON writes them."""
    for escaped in (quote("ä ö/" + CANARY), json.dumps("ä" + CANARY)[1:-1]):
        assert CANARY not in scrub(text.format(escaped, escaped))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_secret_stays(text: str) -> None:
    """Absent values, prose, counts and names of fields."""
    assert scrub(text) == text


def test_a_traceback_keeps_its_source_lines() -> None:
    """A bare word in quoted source is a name, not a value; a literal there is masked."""
    assert scrub(TRACEBACK) == TRACEBACK
    assert scrub(TRACEBACK.replace("= token", '= "hunter2"')) == TRACEBACK.replace("= token", f'= "{MASK}"')


def test_the_text_around_a_secret_stays() -> None:
    """Quotes, brackets and separators are left, so that JSON stays JSON."""
    text = json.dumps({"user": "bob", "password": 'a"b\\', "items": [1, 2], "api_key": "x" * 30})

    assert json.loads(scrub(text)) == {"user": "bob", "password": MASK, "items": [1, 2], "api_key": MASK}


def test_a_second_secret_in_a_line_is_masked_too() -> None:
    """The search goes on right after a value."""
    found = scrub("password=abc1&token=def2&user=bob&secret='gh i3', url=https://u:p4@host/?sig=k5")

    assert found == (f"password={MASK}&token={MASK}&user=bob&secret='{MASK}', url=https://{MASK}@host/?sig={MASK}")


def test_a_text_full_of_secrets_is_masked_to_its_end() -> None:
    """So that its cost is bounded; nothing of it leaks."""
    found = scrub("password=abc123 " * 5_000)

    assert "abc123" not in found


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_no_text_raises(text: str) -> None:
    """Whatever the characters; masking twice is masking once."""
    once = scrub(text)

    assert scrub(once) == once


PIECES = [
    "password", "token", "api key", "=", ":", " ", "\n", '"', "'", "\\", '\\"', "{", "}", "[", "]", "(", ")", ",",
    ";", "&", "?", "http://", "a", "1", "@", "u:p@", "Bearer ", "Basic dXNlcjpw", "Authorization: ", "Cookie: ",
    "eyJhbGciOi.eyJzdWI.a", "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", MASK, "--password ",
    "<password>", "</password>", "%3D", "%22", "%40", "%3A%2F%2F", "&quot;", " is ", "None", "identified by '",
    "-u a:", "('token', '", "4111111111111111", 'name="token" value=', "mysql -p", "\\u0022", "    ",
    '", line 3, in f\n', "self.", "str", "passphrase: ", "sk-", "x",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_masking_twice_is_masking_once(text: str) -> None:
    """A record may be scrubbed on the way in and a page on the way out."""
    once = scrub(text)

    assert scrub(once) == once


@pytest.mark.parametrize("piece", SCREWS)
def test_time_grows_with_the_length_and_no_faster(piece: str) -> None:
    """256 KiB of what makes a careless pattern slow. Linear takes 0.2 s at most, a quadratic one minutes."""
    text = (piece * (262_144 // len(piece) + 1))[:262_144]
    began = time.process_time()

    scrub(text)

    assert time.process_time() - began < 2.5


@pytest.mark.parametrize("quote_mark", ["'", '"'])
def test_brackets_round_quotes_that_are_never_closed_cost_no_square(quote_mark: str) -> None:
    """Each escaped quote may begin a string that goes on to the end of the line: 64 KiB of them took 8 s."""
    text = "token=[ " + f"a\\{quote_mark}" * 87_000
    began = time.process_time()

    scrub(text)

    assert time.process_time() - began < 2.5


def test_a_word_of_the_host_makes_a_key_secret(settings: SettingsWrapper) -> None:
    """SECRET_KEYS are fragments, whatever the notation, in trees and in text."""
    assert not is_secret_key("cedula_number")

    settings.ISSUE_TRACKER = {"SECRET_KEYS": ["cedula", "national-id"]}

    assert is_secret_key("cedula_number")
    assert is_secret_key("nationalId")
    assert scrub("cedula=1020304050, nationalId: '55'") == f"cedula={MASK}, nationalId: '{MASK}'"


def test_a_pattern_of_the_host_is_masked(settings: SettingsWrapper) -> None:
    """SECRET_PATTERNS are regular expressions; one that is broken is passed over, the system check names it."""
    settings.ISSUE_TRACKER = {"SECRET_PATTERNS": [r"\bCO-\d{4}\b", "(", r"\[\w+\]", "x*"]}

    once = scrub("ticket CO-1234 xx")

    assert once == f"ticket {MASK} {MASK}"
    assert scrub(once) == once


class Fragments:
    """A host's exception filter that adds a word to Django's."""

    hidden_settings = re.compile("API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|HTTP_COOKIE|EMAIL", re.IGNORECASE)


class Pattern:
    """A host's exception filter with a pattern of its own."""

    hidden_settings = re.compile(r"^(iban|bank_\w+)$", re.IGNORECASE)


@pytest.mark.parametrize(("name", "key"), [("Fragments", "user_email"), ("Pattern", "bank_account")])
def test_the_filter_of_the_host_is_honoured(settings: SettingsWrapper, name: str, key: str) -> None:
    """DEFAULT_EXCEPTION_REPORTER_FILTER adds to the words; Django's own fragments stay whole words."""
    assert not is_secret_key(key)

    settings.DEFAULT_EXCEPTION_REPORTER_FILTER = f"{__name__}.{name}"

    assert is_secret_key(key)
    assert not is_secret_key("author")
    assert scrub(f"{key}=abc") == f"{key}={MASK}"


def test_a_filter_that_cannot_be_read_is_passed_over(settings: SettingsWrapper) -> None:
    """A fault of the host's settings costs no masking."""
    settings.DEFAULT_EXCEPTION_REPORTER_FILTER = "no.such.Filter"

    assert is_secret_key("password")
