"""Alignments as text and as HTML that nothing in a transcript can break out of."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from speechnar.evaluate.wer import alignment
from speechnar.evaluate.wer.error_rate import WerError, score

NASTY = '<script>alert("1")</script>&amp;'


def test_text_in_the_manner_of_sclite(tmp_path: Path) -> None:
    said = {"u1": "the cat sat here", "u2": "yes"}
    first = score("ours", said, {"u1": "the dog sat right here", "u2": ""}, str)
    second = score("theirs", said, said, str)
    alignment.write(tmp_path / "out.txt", [first, second])
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == (
        "id: u1\n"
        "system: ours\n"
        "scores: C 3, S 1, D 0, I 1\n"
        "REF:  the CAT sat ***** here\n"
        "HYP:  the DOG sat RIGHT here\n"
        "EVAL:     S       I\n"
        "system: theirs\n"
        "scores: C 4, S 0, D 0, I 0\n"
        "REF:  the cat sat here\n"
        "HYP:  the cat sat here\n"
        "EVAL:\n"
        "\n"
        "id: u2\n"
        "system: ours\n"
        "scores: C 0, S 0, D 1, I 0\n"
        "REF:  YES\n"
        "HYP:  ***\n"
        "EVAL: D\n"
        "system: theirs\n"
        "scores: C 1, S 0, D 0, I 0\n"
        "REF:  yes\n"
        "HYP:  yes\n"
        "EVAL:\n"
        "\n"
    )


class Page(HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data.split()


@pytest.mark.parametrize("unit", ["word", "character"])
def test_html_escapes_everything_and_needs_nothing_else(unit: str, tmp_path: Path) -> None:
    said = {NASTY: f"a {NASTY} b", "u2": "right"}
    scores = [score(NASTY, said, {NASTY: f"a b {NASTY}", "u2": "right"}, str, unit)]  # type: ignore[arg-type]
    alignment.write(tmp_path / "out.html", scores)
    html = (tmp_path / "out.html").read_text(encoding="utf-8")
    page = Page(html)
    assert not {tag for tag, _ in page.tags} & {"script", "img", "link", "iframe"}
    names = {name for _, attributes in page.tags for name in attributes}
    assert not any(name in ("src", "href") or name.startswith("on") for name in names)
    assert html.count("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;amp;") >= 3
    assert "<script" not in html
    assert [attributes.get("class") for tag, attributes in page.tags if tag == "section"] == [None, "right"]


def test_html_marks_errors_by_letter_too(tmp_path: Path) -> None:
    alignment.write(tmp_path / "out.html", [score("a", {"u": "one two"}, {"u": "on two three"}, str)])
    page = Page((tmp_path / "out.html").read_text(encoding="utf-8"))
    assert [attributes["class"] for _, attributes in page.tags if "error" in (attributes.get("class") or "")] == [
        "error S",
        "error I",
    ]
    assert page.words[-6:] == ["one", "on", "S", "two", "three", "I"]


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WerError, match=r"out.pdf should end in .txt or .html"):
        alignment.check(tmp_path / "out.pdf")
