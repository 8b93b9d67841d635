"""How many secrets are masked and how many look-alikes are, as a table. `python -m tests.secret_rates` writes it.

The table stands in docs/security.md; a test holds it equal to what the scrubber does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.secret_samples import LOOK_ALIKES, UNSEEN

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE: Final = Path(__file__).parents[1] / "docs" / "security.md"
BEGIN, END = "<!-- rates: begin -->", "<!-- rates: end -->"
SENTENCES: Final = ("{}", "the server refused {} (403)", "ValueError: '{}' is no use", '{{"data": ["x", "{}"]}}')
"""Where a sample stands in free text."""


def is_masked(sample: str, scrub: Callable[[str], str]) -> bool:
    """Tell whether the secret part of a sample is gone wherever it stands: its longest word, or what precedes an @."""
    secret = max(sample.partition("@")[0].replace("/", " ").replace(":", " ").split(), key=len)[-12:]
    return all(secret not in scrub(sentence.format(sample)) for sentence in SENTENCES)


def missed(scrub: Callable[[str], str]) -> list[str]:
    """Return the names of the formats that are not masked everywhere."""
    return [name for name, sample in UNSEEN.items() if not is_masked(sample, scrub)]


def masked_look_alikes(scrub: Callable[[str], str]) -> list[str]:
    """Return the harmless texts that lose something."""
    return [text for texts in LOOK_ALIKES.values() for text in texts if scrub(text) != text]


def table(scrub: Callable[[str], str]) -> str:
    """Return the measurement in Markdown."""
    wrong = masked_look_alikes(scrub)
    lines = ["| what | samples | masked |", "|---|--:|--:|"]
    lines.append(f"| well-known formats of keys | {len(UNSEEN)} | {len(UNSEEN) - len(missed(scrub))} |")
    for kind, texts in LOOK_ALIKES.items():
        lines.append(f"| harmless: {kind} | {len(texts)} | {sum(text in wrong for text in texts)} |")
    told = ", ".join(missed(scrub)) or "none"
    return "\n".join(
        [
            *lines,
            "",
            f"Not masked in free text: {told}.",
            "",
            f"Masked: {', '.join(sorted(UNSEEN.keys() - set(missed(scrub))))}.",
        ]
    )


def written_into(text: str, found: str) -> str:
    """Return a page with the table between its markers."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{found}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Write the table into the page."""
    import django

    django.setup()
    from issue_tracker.scrubber import scrub

    PAGE.write_text(written_into(PAGE.read_text(), table(scrub)))


if __name__ == "__main__":
    main()
