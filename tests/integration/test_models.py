"""The models: the seed's eight fields to the letter, its example unchanged, and migrations that go both ways."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone

from issue_tracker import event
from issue_tracker.drain.statements import COLUMNS, JSON_COLUMNS
from issue_tracker.drain.stories import CONTROL_KINDS
from issue_tracker.models import Kind, Occurrence, OperationalIssue

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db


def create(**values: Any) -> OperationalIssue:
    """Create an issue by hand as a host does, with what the seed requires."""
    return OperationalIssue.objects.create(**({"name": "n", "task": "t", "error_message": "m"} | values))


@pytest.mark.parametrize(
    ("name", "type_", "max_length", "is_required"),
    [
        ("id", models.AutoField, None, False),
        ("name", models.CharField, 255, True),
        ("task", models.CharField, 255, True),
        ("error_message", models.TextField, None, True),
        ("traceback", models.TextField, None, False),
        ("context", models.JSONField, None, False),
        ("severity", models.CharField, 20, False),
        ("created_at", models.DateTimeField, None, False),
    ],
)
def test_the_seeds_fields_are_there_to_the_letter(
    name: str, type_: type[models.Field[Any, Any]], max_length: int | None, is_required: object
) -> None:
    """Names, types, lengths; what the seed calls optional, or fills itself, needs no value."""
    found = OperationalIssue._meta.get_field(name)

    assert type(found) is type_
    assert getattr(found, "max_length", None) == max_length
    assert (not found.blank and not found.has_default()) is is_required
    assert not found.null


def test_the_seeds_fields_come_first_and_nothing_else_is_required() -> None:
    """The 37 call sites of the application it was written for work unchanged."""
    names = [field.name for field in OperationalIssue._meta.fields]
    required = {
        field.name for field in OperationalIssue._meta.fields if not (field.blank or field.null or field.has_default())
    }

    assert names[:8] == ["id", "name", "task", "error_message", "traceback", "context", "severity", "created_at"]
    assert required == {"name", "task", "error_message"}
    assert OperationalIssue._meta.get_field("created_at").auto_now_add


def test_the_seeds_indexes_are_there() -> None:
    """On created_at, task and severity, each by itself."""
    single = {tuple(index.fields) for index in OperationalIssue._meta.indexes if len(index.fields) == 1}

    assert single >= {("created_at",), ("task",), ("severity",)}


def test_the_seeds_example_runs_unchanged() -> None:
    """Word for word."""
    OperationalIssue.objects.create(
        name="TMDB API Timeout",
        task="colombia_com_download_task",
        error_message="Connection timed out after 30 seconds",
        traceback="Traceback (most recent call last):\n  ...",
        context={"movie_name": "Avatar", "theater_id": 5},
        severity="error",
    )

    issue = OperationalIssue.objects.get()
    assert issue.context == {"movie_name": "Avatar", "theater_id": 5}
    assert timezone.now() - issue.created_at < timedelta(minutes=1)
    assert (issue.status, issue.occurrence_count, issue.kind) == ("open", 1, "report")


def test_what_is_left_out_has_the_seeds_defaults() -> None:
    """Severity error, no traceback, an empty context."""
    issue = create()

    assert (issue.severity, issue.traceback, issue.context) == ("error", "", {})
    assert create(severity=OperationalIssue.Severity.WARNING).severity == "warning"
    assert OperationalIssue.Severity.values == ["error", "warning", "info"]
    assert create().context is not issue.context


def test_the_newest_come_first() -> None:
    """Also where the clock gives two the same time."""
    first, second, third = create(), create(), create()
    OperationalIssue.objects.filter(pk=first.pk).update(created_at=timezone.now() + timedelta(days=1))
    OperationalIssue.objects.filter(pk__in=[second.pk, third.pk]).update(created_at=timezone.now())

    assert [issue.pk for issue in OperationalIssue.objects.all()] == [first.pk, third.pk, second.pk]


def test_an_issue_made_by_hand_has_a_fingerprint_and_takes_no_repeats() -> None:
    """So that its recurrence is seen, while two equal ones stay two."""
    one, other, third = create(), create(), create(error_message="something else")

    assert len(one.fingerprint) == 64
    assert one.fingerprint == other.fingerprint != third.fingerprint
    assert one.open_key is None


def test_one_issue_of_a_fingerprint_takes_repeats() -> None:
    """The database holds that, not a query."""
    create(open_key="k")

    with pytest.raises(IntegrityError), transaction.atomic():
        create(open_key="k")


def test_texts_and_trees_come_back_as_they_were() -> None:
    """On every database: astral characters, quotes, big numbers, nulls."""
    tree = {"título": "🎬 \\ ' \" \n", "nested": [1, None, {"a": [True, 2**53, 0.5, "\\u0000"]}], "": ""}

    issue = create(name="é" * 255, error_message="🎬" * 1_000, context=tree)

    issue.refresh_from_db()
    assert (issue.name, issue.error_message, issue.context) == ("é" * 255, "🎬" * 1_000, tree)


def test_an_occurrence_is_stored_once() -> None:
    """Its event id is unique; it goes with its issue."""
    issue = create()
    values = {"issue": issue, "event_id": "e", "occurred_at": timezone.now(), "kind": "failure", "severity": "error"}
    occurrence = Occurrence.objects.create(**values)

    with pytest.raises(IntegrityError), transaction.atomic():
        Occurrence.objects.create(**values)

    assert (occurrence.args, occurrence.kwargs, occurrence.context, occurrence.outcome) == (None, None, {}, "")
    issue.delete()
    assert not Occurrence.objects.exists()


def test_what_an_issue_returned_from_may_go() -> None:
    """Retention deletes the old ones first."""
    old = create()
    new = create(previous=old, is_returned=True)

    old.delete()

    new.refresh_from_db()
    assert new.previous is None
    assert new.is_returned


def test_titles_name_what_and_where() -> None:
    """As the admin and the log entries show them."""
    assert str(create(name="TMDB API Error", task="download")) == "TMDB API Error (download)"
    assert str(create(name="TMDB API Error", task="")) == "TMDB API Error"
    assert str(Occurrence(kind="retry", task_id="id", attempt=1)) == "retry id attempt 1"


def test_kinds_and_severities_are_those_of_events() -> None:
    """All but the two that only tell what became of others."""
    assert set(Kind.values) == set(event.Kind) - CONTROL_KINDS
    assert set(OperationalIssue.Severity.values) == set(event.Severity)


def test_the_statements_know_every_column() -> None:
    """The fast insert names the columns itself: none may be missing, and JSON must be written as such."""
    fields = [field for field in Occurrence._meta.concrete_fields if field.name != "id"]

    assert set(COLUMNS) == {field.attname for field in fields}
    assert set(JSON_COLUMNS) == {field.attname for field in fields if isinstance(field, models.JSONField)}


def test_rights_of_their_own() -> None:
    """Sending again and seeing arguments are not the right to look at the list."""
    names = set(Permission.objects.filter(content_type__app_label="issue_tracker").values_list("codename", flat=True))

    assert {"requeue", "view_payload", "view_operationalissue", "change_operationalissue"} <= names


def test_no_migration_is_missing() -> None:
    """The models are what the migrations make."""
    call_command("makemigrations", "issue_tracker", check=True, dry_run=True, verbosity=0)


@pytest.mark.django_db(transaction=True)
def test_the_migrations_go_back_and_forth() -> None:
    """An app that is tried out can be taken off again."""
    call_command("migrate", "issue_tracker", "zero", verbosity=0)
    gone = connection.introspection.table_names()
    call_command("migrate", "issue_tracker", verbosity=0)

    assert not {name for name in gone if name.startswith("issue_tracker")}
    assert {"issue_tracker_operationalissue", "issue_tracker_occurrence"} <= set(connection.introspection.table_names())
    create()


def test_reading_costs_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """Looking for records of this process that still wait costs none."""
    create()

    with django_assert_num_queries(1):
        assert len(OperationalIssue.objects.all()) == 1
