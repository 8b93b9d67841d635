"""Names of keys: what announces a secret is told, what only looks like it stays readable."""

from __future__ import annotations

from issue_tracker.scrubber import Verdict
from issue_tracker.scrubber.names import verdict_of
from issue_tracker.scrubber.pairs import may_hold_pairs


def words(table: str) -> list[str]:
    """Return the names of a table."""
    return table.split()


SECRET = words("""
password passwd pwd pass passphrase passcode db_password DB_PASS userPassword user-password PASSWORD1 password2
passwords new_password1 old_password password_hash password_salt passwordConfirmation confirm_password
reset_password_token secret secrets client_secret clientSecret SECRET_KEY secretKey mysecret aws_secret_access_key
AWS_SECRET_ACCESS_KEY token access_token accessToken refresh_token id_token auth_token authToken csrftoken
csrfmiddlewaretoken csrf_token xsrf X-CSRF-Token X-Auth-Token api_token bearer_token oauth2_token TOKEN tokenValue
next_page_secret api_key apikey apiKey API_KEY X-Api-Key x-api-key TMDB_API_KEY access_key accessKey AccountKey
account_key private_key privateKey PrivateKey signing_key encryption_key fernet_key SharedAccessKey master_key
license_key ssh_key deploy_key auth authorization Authorization Proxy-Authorization proxy_authorization
http_authorization HTTP_AUTHORIZATION basic_auth credential credentials aws_credentials creds cookie cookies Cookie
Set-Cookie HTTP_COOKIE session_cookie session sessionid session_id sessionId PHPSESSID JSESSIONID session_key
ASP.NET_SessionId connect.sessionid signature X-Amz-Signature x-hub-signature-256 X-Amz-Credential
X-Amz-Security-Token sig dsn SENTRY_DSN database_dsn bearer jwt jwt_token otp totp otp_code one_time_password pin
user_pin pin_code card_pin cvv cvc cvv2 card_number cardNumber card_no creditcard credit_card cc_number
security_code verification_code backup_codes recovery_codes mfa_code 2fa_code ssn social_security_number seed_phrase
recovery_phrase mnemonic security_answer contraseña contrasena clave clave_api senha passwort kennwort mot_de_passe
auth_header auth_data webhook_secret client_assertion psk wifi_pw password_reset_url magic_link_token
spring.datasource.password user[password] url_token tokens_secret
""")

MAYBE = words("tmdb_key sendgrid_key tokens refresh_tokens TMDB_KEYS movie_db_key")

HARMLESS = words("""
author authors author_id authority authorities authored_by authorized authorized_at authorised_by
authorization_status auth_user auth_user_id auth_provider auth_method auth_backend authentication_classes
authenticated is_authenticated tokenizer tokenized tokenize detokenizer token_count tokens_used max_tokens
num_tokens token_type token_expires_at token_ttl token_url tokenization_rules next_token_position keyboard keyword
keywords monkey turkey donkey key keys keynote hockey primary_key foreign_key cache_key sort_key partition_key
public_key publicKey unique_key idempotency_key natural_key dedup_key lookup_key routing_key row_key s3_key
object_key bucket_key field_key json_key model_key open_key event_key group_key translation_key hotkey keypoint
key_error KeyError compass bypass passenger passengers passport passage passive passed passing pass_count first_pass
second_pass overpass pinned pinning spin spinner shopping mapping pin_count opinion pineapple assign assignment
assigned design designer signal signals significant resign session_count session_timeout session_length
sessions_total movie_session password_changed_at password_policy password_min_length password_validators
password_hashers password_required has_password_field password_strength password_attempts secretary secretariat
secret_name secret_version secrets_count cookie_policy cookie_consent cookie_banner cookie_name cookie_age
cookie_domain cookie_path card cards card_type card_title dashboard cardinal discard postcard theater_id movie_name
url status code error_code country_code zip_code status_code promo_code number id user username email host port
database name title date barcode decoder unicode encoding dsnippet cryptocurrency option captain adoption
signature_algorithm signature_count function_signature certificate api api_url api_version api_host apis_count
credits incredible sacred discredited cryptography.fernet.InvalidToken SuspiciousSession InvalidToken TokenError
TokenExpired AuthenticationError NoCredentialsError PasswordMismatch CookieError expired_token palabra_clave
socket_timeout otpauth_enabled jwt_algorithm key_id page_number phone_number order_number answer_count
""")


def test_secret_names_are_told() -> None:
    """Whatever the case, the separator or the words around it."""
    assert [name for name in SECRET if verdict_of(name) is not Verdict.ALWAYS] == []


def test_a_name_that_may_be_secret_depends_on_its_value() -> None:
    """A key of an unknown owner, or a number of tokens: the value decides."""
    assert [name for name in MAYBE if verdict_of(name) is not Verdict.MAYBE] == []


def test_look_alikes_are_left_alone() -> None:
    """Whole words are compared, and names of facts about a secret are harmless."""
    assert [name for name in HARMLESS if verdict_of(name) is not Verdict.NEVER] == []


def test_the_quick_look_for_pairs_knows_every_secret_name() -> None:
    """Free text without any of its fragments is not searched for pairs, so each name has to hold one."""
    assert [name for name in SECRET + MAYBE if not may_hold_pairs(f"x {name}=1".lower())] == []


def test_a_very_long_name_is_judged_by_its_ends() -> None:
    """The cost of a name is bounded, and its last words count most."""
    assert verdict_of("x_" * 100_000 + "password") is Verdict.ALWAYS
    assert verdict_of("x_" * 100_000) is Verdict.NEVER
