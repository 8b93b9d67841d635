"""Of the well-known formats 95 % and more are masked in free text, of harmless look-alikes 5 % and fewer."""

from __future__ import annotations

import random
from typing import Final

from issue_tracker.scrubber import scrub
from tests import secret_rates
from tests.secret_samples import LOOK_ALIKES, UNSEEN
from tests.unit.test_secret_formats import FORMATS

MISSED: Final = ["Beamer"]
"""Known and left: "b_" and letters are too little to go by."""


def test_nearly_all_formats_are_masked() -> None:
    """On samples that were written without a look at the patterns."""
    assert len(secret_rates.missed(scrub)) <= 0.05 * len(UNSEEN)


def test_nearly_no_look_alike_is_masked() -> None:
    """A report whose hashes and ids are gone is of no use."""
    total = sum(map(len, LOOK_ALIKES.values()))

    assert len(secret_rates.masked_look_alikes(scrub)) <= 0.05 * total


def test_the_page_tells_what_is_measured() -> None:
    """`python -m tests.secret_rates` writes it."""
    text = secret_rates.PAGE.read_text()

    assert secret_rates.written_into(text, secret_rates.table(scrub)) == text


def test_a_harmless_twin_uncovers_no_secret() -> None:
    """A text with other digits may hold no secret and be remembered as harmless: what is one is masked all the same."""
    chance = random.Random(1)
    for sample in (*UNSEEN.values(), *FORMATS.values()):
        for _ in range(20):
            twin = "".join(chance.choice("0123456789") if c.isdigit() else c for c in sample)
            for sentence in secret_rates.SENTENCES:
                scrub(sentence.format(twin))

    assert secret_rates.missed(scrub) == MISSED
    assert [name for name, sample in FORMATS.items() if not secret_rates.is_masked(sample, scrub)] == []
