"""Search in the issue list: one look at the messages a request, whatever else the page counts afterwards.

The keys that match are fetched once; where they are few, every query of the page asks for these keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.db.models.functions import Collate
from django.db.models.lookups import IContains

from issue_tracker.models import Occurrence, OperationalIssue

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

MAX_SEARCH: Final = 200
"""Characters of a search that are used; ours."""

MAX_WORDS: Final = 8
"""Words of a search that are used; ours, since each one costs a look at every message."""

MAX_KEYS: Final = 1_000
"""Matches up to which the page goes on by key; ours. A commoner word is found quickly, wherever a query starts."""


class HasText(IContains):
    """`icontains`; on PostgreSQL ASCII is compared by bytes: 100,000 messages take 65 ms, in a locale of libc 102.

    The result is the same: upper case of ASCII is the same in any language that PostgreSQL knows.
    """

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Compile with the collation "C" where the text is plain ASCII."""
        if isinstance(self.rhs, str) and self.rhs.isascii():
            return IContains(Collate(self.lhs, "C"), self.rhs).as_sql(compiler, connection)
        return super().as_sql(compiler, connection)


def _register(*names: str) -> None:
    """Add the lookup to these fields alone: the host's own models keep theirs."""
    for name in names:
        field: Any = OperationalIssue._meta.get_field(name)
        field.register_lookup(HasText, "has_text")


_register("name", "error_message")


def words_of(term: str) -> str:
    """Return a search as it is used: what is too long to mean anything is cut."""
    return " ".join(term[:MAX_SEARCH].split()[:MAX_WORDS])


def matches(
    request: HttpRequest, issues: QuerySet[OperationalIssue], found: QuerySet[Any], search: str
) -> set[int] | None:
    """Return the keys of the issues that match, None where there are more than MAX_KEYS; asked once a request.

    `found` are those with the words in their text. A single word may also be the exact id of a task.
    """
    known = _known(request)
    if search not in known:
        pks = set(found.order_by().values_list("pk", flat=True)[: MAX_KEYS + 1])
        if len(pks) <= MAX_KEYS and " " not in search.strip():
            of_task = Occurrence.objects.using(issues.db).filter(task_id=search.strip())
            pks |= set(of_task.values_list("issue_id", flat=True)[:MAX_KEYS])
        known[search] = pks if len(pks) <= MAX_KEYS else None
    return known[search]


def is_keyed(request: HttpRequest, search: str) -> bool:
    """Say whether this search was answered by keys, so that whatever is counted is not much."""
    return _known(request).get(search) is not None


def _known(request: HttpRequest) -> dict[str, set[int] | None]:
    known: dict[str, set[int] | None] = request.__dict__.setdefault("_issue_matches", {})
    return known
