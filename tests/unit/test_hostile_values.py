"""Objects whose own code raises, lies or queries: a marked placeholder stands for them, and nothing gets out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.db import models
from django.utils.functional import SimpleLazyObject, lazystr
from django.utils.translation import gettext_lazy

from issue_tracker.scrubber import scrub
from issue_tracker.serializer import EXACT, clean, name_of, scrubbed_text_of, serialize, text_of

ERRORS = [
    Exception,
    ValueError,
    MemoryError,
    RecursionError,
    SystemExit,
    KeyboardInterrupt,
    GeneratorExit,
    StopIteration,
]


def hostile(error: type[BaseException], *bases: type) -> Any:
    """Return an object of a class all of whose special methods raise."""

    def fail(*_args: object, **_kwargs: object) -> Any:
        raise error("hostile")

    names = (
        "__str__ __repr__ __iter__ __len__ __getitem__ __bool__ __eq__ __hash__ __format__ __index__ __int__ __float__ "
        "__contains__ __next__ keys items values get isoformat __fspath__ __bytes__ __lt__ __call__ __dir__"
    )
    members: dict[str, Any] = dict.fromkeys(names.split(), fail)
    members["__class__"] = property(fail)
    members["__getattr__"] = fail
    return type("Hostile", bases or (object,), members)


def odd() -> Any:
    """Return an object whose class raises wherever it is asked; made here: pytest asks what it finds in a module."""

    def fail(*_args: object) -> Any:
        raise SystemExit

    asked = dict.fromkeys(
        ["__hash__", "__eq__", "__instancecheck__", "__subclasscheck__", "__getattribute__", "__call__"], fail
    )
    return object.__new__(type.__new__(type("Meta", (type,), asked), "Odd", (), {}))


@pytest.mark.parametrize("error", ERRORS)
def test_nothing_that_an_object_raises_gets_out(error: type[BaseException]) -> None:
    """SystemExit would end the worker, KeyboardInterrupt too."""
    for bases in [(), (str,), (int,), (float,), (list,), (dict,), (tuple,), (set,), (bytes,), (Exception,), (Mapping,)]:
        cls = hostile(error, *bases)
        cls.__abstractmethods__ = frozenset()
        value = object.__new__(cls) if not bases or bases == (Mapping,) else bases[0].__new__(cls)

        for limits in ({}, {"limits": EXACT}):
            found = serialize([value, {"a": value}, "after"], **limits)
            json.dumps(found.tree)
            assert found.tree is None or found.tree[-1] == "after"
        assert isinstance(text_of(value, max_chars=100), str)
        assert isinstance(scrubbed_text_of(value, max_chars=100), str)
        assert isinstance(name_of(value), str)


def test_the_placeholder_names_class_and_error() -> None:
    """So that a person sees what could not be shown."""
    cls = type("Bad", (), {"__module__": "shop.films", "__str__": lambda self: exit(3)})

    assert text_of(cls(), max_chars=200) == "<unprintable shop.films.Bad: SystemExit>"


def test_a_key_that_raises_is_marked() -> None:
    """Its value is still shown."""

    class Key:
        def __str__(self) -> str:
            raise SystemExit

    assert serialize({Key(): 1}).tree == {f"<unprintable {__name__}.{Key.__qualname__}: SystemExit> (Key)": 1}


def test_a_metaclass_that_raises_is_survived() -> None:
    """Asking for an object's class is safe, asking that class is not."""
    assert serialize([odd(), 1]).tree[1] == 1
    assert "unprintable" in text_of(odd(), max_chars=100) or "object" in text_of(odd(), max_chars=100)


def test_an_iteration_that_breaks_off_is_marked() -> None:
    """What came before it is shown."""

    class Torn(Mapping[str, int]):
        def __len__(self) -> int:
            return 3

        def __iter__(self) -> Iterator[str]:
            yield "a"
            raise SystemExit

        def __getitem__(self, key: str) -> int:
            return 1

    found = serialize([Torn(), "after"])

    assert found.tree == [{"a": 1, "…": "… [not readable further: SystemExit]"}, "after"]
    assert found.is_cut


def test_a_str_that_is_none_is_never_asked() -> None:
    """A subclass's content is read past its methods; a `__str__` may return a subclass, too."""

    class Text(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "lie"

        def __len__(self) -> int:
            return 10**9

    class Speaks:
        def __str__(self) -> str:
            return Text("said")

    assert serialize(Text("truth")).tree == "truth"
    assert type(serialize(Text("truth")).tree) is str
    assert type(text_of(Speaks(), max_chars=50)) is str
    assert text_of(Speaks(), max_chars=50) == "said"


class Film(models.Model):
    """A model of a host; no table is needed."""

    title = models.CharField(max_length=9)

    class Meta:
        """Outside any app."""

        app_label = "hostile"
        managed = False

    def __str__(self) -> str:
        raise AssertionError("a model's __str__ may query")


def test_a_model_is_its_label_and_key() -> None:
    """Without its `__str__`, which may query, and without its fields."""
    assert serialize(Film(pk=5, title="x")).tree == "hostile.Film(5)"
    assert serialize(Film()).tree == "hostile.Film(None)"


def test_a_deferred_key_is_not_fetched() -> None:
    """There is no database in this test: a query would fail it."""
    film = Film(pk=5)
    del film.__dict__["id"]

    assert serialize({"film": film}).tree == {"film": "hostile.Film(not loaded)"}


def test_a_queryset_is_not_evaluated() -> None:
    """Nor are its values, nor what is lazy."""

    def never() -> object:
        raise AssertionError("evaluated")

    assert serialize(Film.objects.all()).tree == "<django.db.models.query.QuerySet of hostile.Film>"
    assert "object" in serialize(SimpleLazyObject(never)).tree
    assert serialize(Film.objects).tree.endswith("object>")


def test_a_lazy_object_that_is_there_is_shown() -> None:
    """As `request.user` once someone has looked at it."""
    lazy = SimpleLazyObject(lambda: Film(pk=7))
    assert lazy.pk == 7

    assert serialize(lazy).tree == "hostile.Film(7)"
    assert serialize([gettext_lazy("Yes"), lazystr("x")]).tree == ["Yes", "x"]


def test_the_repr_of_the_unknown_is_not_shown() -> None:
    """It may be huge, or hold a secret."""

    class Unknown:
        def __repr__(self) -> str:
            return "password is swordfish"

    assert serialize(Unknown()).tree == f"<{__name__}.{Unknown.__qualname__} object>"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no"), "no"),
        (ValueError(), ""),
        (ValueError("a", 1), "('a', 1)"),
        (KeyError("k"), "'k'"),
        (OSError(2, "No such file", "x"), "[Errno 2] No such file: 'x'"),
        (ValueError([1] * 1_000_000), "<list of 1,000,000 items>"),
        (ValueError("x" * 100_000, {}), "x" * 50),
    ],
)
def test_the_text_of_an_exception_never_prints_a_container(error: Exception, text: str) -> None:
    """It is what `str` says, but for arguments that may be huge."""
    assert text in text_of(error, max_chars=200)


def test_texts_are_cut_with_a_mark() -> None:
    """The mark is within the limit; a limit too small for it just cuts."""
    assert len(text_of("x" * 300, max_chars=100)) == 100
    assert text_of("x" * 300, max_chars=100).endswith("… [cut, 300 characters]")
    assert text_of("x" * 300, max_chars=5) == "xxxxx"
    assert text_of(10**5000, max_chars=100) == "int of 16,610 bits"
    assert text_of([1, 2], max_chars=100) == "<list of 2 items>"


def test_names_are_cut_with_a_hash() -> None:
    """Two long names stay two."""
    first, second = name_of("n" * 300 + "a"), name_of("n" * 300 + "b")

    assert len(first) == len(second) == 255
    assert first != second
    assert name_of("short") == "short"


def test_what_databases_refuse_is_replaced() -> None:
    """NUL and lone surrogates; all else stays, the same object where nothing is to do."""
    text = "plain ñ 🎬"

    assert clean("a\x00b") == "a\ufffdb"
    assert clean("ñ\x00\udc80") == "ñ\ufffd\ufffd"
    assert clean(text) == text
    clean("a\x00\ud800").encode()


def test_a_secret_at_the_cut_of_a_message_is_masked() -> None:
    """Wherever the limit falls."""
    text = "no answer from postgres://admin:canary12@db/x and so on " * 3

    for limit in range(30, 180):
        assert "canary" not in scrubbed_text_of(text, max_chars=limit)
        assert len(scrubbed_text_of(text, max_chars=limit)) <= limit
    assert scrub(text) == scrubbed_text_of(text, max_chars=1_000)
