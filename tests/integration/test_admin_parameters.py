"""Whatever stands in an address of the admin: an ordinary page or a refusal, and no guess at what is hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Permission, User
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from issue_tracker.models import OperationalIssue
from tests.issues import Story, tell

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db

LIST = "/admin/issue_tracker/operationalissue/"

KNOWN = """q p o e all _facets _popup _to_field status status__exact severity__exact kind__exact task__exact pk__in id
    day created_at__since last_seen_at__since last_seen_at__gte last_seen_at__until recurring _changelist_filters
    occurrences__kwargs__contains context__icontains traceback__regex"""
ODD = "0 -1 1e999 open None null 2024-13-45 0000-00-00 9999-12-31 ' % 1.2.3 -last_seen_at ( [a __class__ / .. true"
NAMES = st.sampled_from(KNOWN.split()) | st.text(max_size=12)
VALUES = (
    st.sampled_from([*ODD.split(), "", "9" * 400, "\x00", "\ud7ff", "a" * 5_000])
    | st.text(max_size=30)
    | st.integers().map(str)
)

examples = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture
def issue() -> OperationalIssue:
    """An issue with occurrences whose arguments are not for everybody."""
    return tell(
        Story(name="Timeout", task="t", message="m", count=3, kwargs={"card": "4111-1111"}, context={"pin": "0815"})
    )


@examples
@given(st.lists(st.tuples(NAMES, VALUES), max_size=4))
def test_any_parameters_give_an_ordinary_answer(
    admin_client: Client, issue: OperationalIssue, parameters: list[tuple[str, str]]
) -> None:
    """200, a way back (302), or no (400, 403, 404); never an error of ours, whose page would be a 500."""
    for address in (LIST, f"{LIST}overview/", f"{LIST}{issue.pk}/change/"):
        answer = admin_client.get(f"{address}?{urlencode(parameters, errors='surrogatepass')}")

        assert answer.status_code in {200, 302, 400, 403, 404}, (address, parameters)


@examples
@given(st.text(alphabet=st.characters(exclude_characters="/?#\x00", codec="utf-8"), min_size=1, max_size=30))
def test_any_key_in_the_path_is_an_ordinary_answer(admin_client: Client, key: str) -> None:
    """Numbers beyond the column, words, and what is no key at all."""
    for address in (f"{LIST}{key}/change/", f"{LIST}{key}/occurrences/{key}/", f"{LIST}requeue-jobs/{key}/"):
        assert admin_client.get(address).status_code in {200, 301, 302, 400, 404}, address


@pytest.mark.parametrize("key", ["9" * 30, "-1", "0", str(2**63), "1e5"])
def test_a_key_beyond_the_column_is_not_found(admin_client: Client, key: str) -> None:
    """Databases refuse such numbers, each in its own way."""
    for address in (f"{LIST}{key}/change/", f"{LIST}1/occurrences/{key}/", f"{LIST}requeue-jobs/{key}/"):
        assert admin_client.get(address).status_code in {302, 404}, address


GUESSES = (
    "occurrences__kwargs__contains",
    "occurrences__args__icontains",
    "context__icontains",
    "context__pin__startswith",
    "occurrences__payload__contains",
    "requeue_jobs__stopped_by",
)


@pytest.mark.parametrize("lookup", GUESSES)
def test_no_lookup_guesses_what_may_not_be_seen(client: Client, issue: OperationalIssue, lookup: str) -> None:
    """A list that is shorter or longer by a guess would tell the arguments, character by character."""
    user = User.objects.create_user("eve", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_operationalissue"))
    client.force_login(user)

    right, wrong = (client.get(LIST, {"status": "all", lookup: guess}) for guess in ("4111", "9999"))

    assert right.status_code == wrong.status_code
    assert (issue.name in right.content.decode()) == (issue.name in wrong.content.decode())
