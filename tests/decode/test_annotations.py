"""Annotations of sounds, and words that only look like them."""

from __future__ import annotations

import pytest

from speechnar.decode.annotations import sound_annotations


@pytest.mark.parametrize(
    ("text", "draft", "left"),
    [
        ("[Music] It rained.", "it rained", "It rained."),
        ("It [door creaks] rained. [BLANK_AUDIO]", "it rained", "It rained."),
        ("(upbeat music) It rained. (Applause)", "it rained", "It rained."),
        ("He said (quietly) that", "he said quietly that", "He said (quietly) that"),
        ("*sighs* Well, * that * is all", "well that is all", "Well, that is all"),
        ("\u266a la la \u266a", "la la", "la la"),
        ("music playing in the hall", "oy in the hall", "in the hall"),
        ("music playing in the hall", "music playing in the hall", "music playing in the hall"),
        ("the music is soft", "the is", "the music is soft"),
        ("Music.", "oo", ""),
        ("Music.", "music", "Music."),
        ("It rained [and", "it rained and", "It rained [and"),
        ("(woman speaking in", "oy ow", ""),
        ("(woman speaking in) It rained", "oy it rained", "It rained"),
        ("[Music It rained.", "it rained", "It rained."),
        ("", "", ""),
    ],
)
def test_annotations_are_found(text: str, draft: str, left: str) -> None:
    words = text.split()
    for place in reversed(sound_annotations(words, draft.split())):
        del words[place]
    assert " ".join(words) == left
