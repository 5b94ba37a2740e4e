"""Take the text out of HTML and Markdown: tags, entities, links with labels, emphasis, tables and code fences.

What a page shows is kept and what only steers its display is dropped. Two functions share the work: `strip_blocks` sees
the whole text and its lines, `strip_inline` sees one block. A tag counts as one when its name is an element of HTML or
SSML, when it has attributes or when it closes: `List<String>` and `x<y and y>z` are text.
"""

from __future__ import annotations

import html
import re

_ELEMENTS = "|".join(
    """a abbr address article aside audio b base blockquote body br button canvas caption center cite code col dd del
    details dfn div dl dt em embed emphasis fieldset figcaption figure font footer form h1 h2 h3 h4 h5 h6 head header
    hr html i iframe img input ins kbd label legend li link main mark meta nav object ol optgroup option p phoneme pre
    prosody q ruby s samp say-as script section select small source span speak strike strong style sub summary sup svg
    table tbody td template textarea tfoot th thead time title tr tt u ul var video voice wbr break""".split()
)
_TAG = re.compile(
    rf"<(?:(?:{_ELEMENTS})\s*/?|/[A-Za-z][\w:-]*\s*|[A-Za-z][\w:-]{{0,30}}(?:\s+[\w:-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'"
    r"|[^\s\"'<>]+))+\s*/?)>",
    re.I,
)
_LINE_END = re.compile(r"<(?:br|hr)\s*/?>|</(?:li|tr|dt|dd|option|title|caption|s(?=>))\s*>", re.I)
_PARAGRAPH_END = re.compile(r"</(?:p|div|h[1-6]|ul|ol|dl|table|blockquote|section|article|pre)\s*>", re.I)
_CODE = re.compile(r"^[ \t]*((?:`{3,}(?!`)|~{3,}(?!~)))[^\n`]*\n(.*?)^[ \t]*\1[ \t]*$", re.M | re.S)
_FENCE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[^\n`]*$", re.M)
_QUOTED = re.compile(r"^[ \t]*(?:>[ \t]*)+(?=[^\s\d>=])", re.M)
_RULE = re.compile(r"^(?=[-=*_~#+|: \t]*[-=*_~#+]{2})[-=*_~#+|: \t]+$", re.M)
_REFERENCE = re.compile(r"^[^\S\n]*\[[^\[\]\n]{1,80}\]:\s*\S+[^\n]*$", re.M)

_LINK = re.compile(
    r"!?\[((?:[^\[\]]|\[[^\[\]]*\]){0,300})\]\((?:<[^<>\n]*>|[^()\s]*(?:\([^()\s]*\)[^()\s]*)?)(?:\s+[\"'][^\"'\n]*[\"'])?\)"
)
_REFERRED = re.compile(r"!?\[([^\[\]]{1,300})\]\[[^\[\]]{0,80}\]")
_BOX = re.compile(r"^(\s*(?:[-*+]|\d{1,3}[.)])\s+)\[[ xX]\]\s+")


def strip_blocks(text: str) -> str:
    """Drop what HTML and Markdown write on lines of their own, and make the ends of HTML elements line ends.

    The text of a code block is kept, line by line; its fences and the name of its language are dropped.
    """
    if "<" in text:
        text = _drop_hidden(text)
        text = _PARAGRAPH_END.sub("\n\n", _LINE_END.sub("\n", text))
        text = _TAG.sub(lambda m: m[0] if m[0][:6].lower() == "<break" else " ", text)
    if "`" in text or "~~" in text:
        text = _FENCE.sub("", _CODE.sub(_code_lines, text))
    if "]:" in text:
        text = _REFERENCE.sub("", text)
    if ">" in text:
        text = _QUOTED.sub("", text)
    return _RULE.sub("", text)


def _code_lines(match: re.Match[str]) -> str:
    return "".join(f"• {line.strip()}\n" for line in match[2].splitlines() if line.strip())


def is_tag(text: str) -> bool:
    """Tell whether a text is one HTML or SSML tag."""
    return text[:1] == "<" and _TAG.fullmatch(text) is not None


def strip_inline(text: str) -> str:
    """Return what one block of HTML or Markdown shows: `[docs](https://a.org)` is `docs`, `&amp;` is `&`."""
    if "[" in text:
        text = _BOX.sub(r"\1", text)
        if "](" in text:
            text = _LINK.sub(r"\1", _LINK.sub(r"\1", text))  # twice: a badge is an image in a link
        text = _REFERRED.sub(r"\1", text)
        text = re.sub(r"\[(?:\d{1,4}|\^[\w-]{1,40})\]", "", text)  # notes
    if "<" in text:
        text = _TAG.sub(" ", _drop_hidden(text))
        text = re.sub(r"<((?:https?|ftp|mailto):[^\s<>]+|[^\s<>@]+@[^\s<>@]+)>", r"\1", text)
    return html.unescape(html.unescape(text)) if "&" in text else text  # twice: feeds write `&amp;amp;`


def _drop_hidden(text: str) -> str:
    """Drop comments, scripts and style sheets that are closed."""
    lower = text.lower()
    for opening, closing in (("<!--", "-->"), ("<script", "</script>"), ("<style", "</style>")):
        kept, done = [], 0
        start = lower.find(opening)
        while start >= 0 and (end := lower.find(closing, start)) >= 0:
            kept.append(text[done:start])
            done = end + len(closing)
            start = lower.find(opening, done)
        if kept:
            text = " ".join([*kept, text[done:]])
            lower = text.lower()
    return text


def strip_emphasis(text: str) -> str:
    """Drop the asterisks, underscores and tildes that set words off, and the marks of headings and quotations."""
    text = re.sub(r"^\s*(?:>\s+(?!\d))+|^\s*#+\s+", "", text)
    if "*" in text:
        text = re.sub(
            r"(?<=\d)\s*\*\s*(?=\d)|(?<![\w*])(?<=[a-zA-Z])\*(?=[a-zA-Z]\b)|(?<=\b[A-Za-z]) \* (?=[A-Za-z]\b)",
            " × ",
            text,
        )
        text = re.sub(r"\*+(?=\w)|(?<=[\w.,:;!?)\"'])\*+", "", text)
    if "_" in text:
        text = re.sub(r"(?<!\w)_+(?=\w)|(?<=\w)_+(?!\w)", "", text)
    return text.replace("~~", "")
