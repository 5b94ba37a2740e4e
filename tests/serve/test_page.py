"""The web page in a real browser: by mouse and by keyboard, on a desk and on a phone, with a file as microphone."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import soundfile
from scores import bar, note, part, score
from serving import Running, serving
from stub_recognizer import RATE, SECONDS, spell

from speechnar.serve.web import FOLDER, PAGE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 60_000  # milliseconds, for a machine with much else to do
TABS = ("speak", "read", "captions", "sing")
TEXT = "Hello, world. It costs 3 dollars."
RULES = {
    "light": {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    "dark": {"runOnly": {"type": "rule", "values": ["color-contrast"]}},
}


def sources() -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in PAGE.values()}


def test_every_text_is_in_the_table_and_every_text_of_the_table_is_used() -> None:
    files = sources()
    table = set(re.findall(r"^    (\w+):", files["texts.js"], re.M))
    written = set(re.findall(r'data-(?:text|label)="(\w+)"', files["index.html"]))
    asked = {name for file in files.values() for name in re.findall(r'\btext\((?:\w+ \? )?"(\w+)"', file)}
    asked |= {
        name
        for file in files.values()
        for pair in re.findall(r'text\([^()]*\? "(\w+)" : "(\w+)"', file)
        for name in pair
    }
    assert written | asked == table
    for name, english in re.findall(r'data-text="(\w+)"[^>]*>([^<]+)<', files["index.html"]):
        assert f'{name}: "{english}"' in files["texts.js"]


def test_the_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(server: Running) -> None:
    for name, file in sources().items():
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", file), name
        assert not re.search(r"innerHTML|document\.write|\beval\(| on\w+=| style=", file), name
    answer = httpx.get(server.url)
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 60_000


playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
axe = pytest.importorskip("axe_playwright_python.base", reason="needs axe-playwright-python: pip install it")
browser_only = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    heard = tmp_path_factory.mktemp("microphone") / "heard.wav"
    soundfile.write(heard, spell(25, "abc", "ba", 25, "c", 40), RATE)
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # whom Chromium's sandbox does not take
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--autoplay-policy=no-user-gesture-required",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={heard}%noloop",
                "--disable-background-networking",
                *(["--no-sandbox"] if root else []),
            ],
            timeout=PATIENCE,
        )
        yield chromium
        chromium.close()


@contextlib.contextmanager
def opened(browser: Any, url: str, **options: Any) -> Iterator[Any]:
    """Open a page of its own, which must not report an error."""
    context = browser.new_context(**{"viewport": {"width": 1100, "height": 850}, **options})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.goto(url)
    until(page, "document.querySelector('#speak-voice').options.length || document.querySelector('#key').open")
    yield page
    context.close()
    assert not [
        line for line in wrong if not re.search("status of 4|ERR_INTERNET_DISCONNECTED", line)
    ]  # refused requests are tested below


@pytest.fixture
def page(browser: Any, server: Running) -> Iterator[Any]:
    with opened(browser, server.url) as page:
        yield page


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    soundfile.write(path, spell(10, "ab", "c", 30, "ba", 25), RATE)
    return path


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.musicxml"
    alto = part(bar(note("A3", 2, "la"), note("B3", 2, "li")), name="Alto")
    tenor = part(bar(note("C4", 1, "so"), note("D4", 2, "fa"), note("E4", 1, "mi")), name="Tenor", identity="P2")
    path.write_text(score(alto, tenor))
    return path


def until(page: Any, expression: str) -> None:
    """Wait until an expression is true: Playwright's own function for it is not what the page's policy allows."""
    end = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"it never became true that {expression}"
        page.wait_for_timeout(20)


def speak(page: Any, text: str = TEXT) -> None:
    page.fill("#speak-text", text)
    page.click("#speak-go")
    page.wait_for_selector("#speak-stop", state="hidden")
    until(page, "document.querySelector('#speak-words').textContent.trim() !== ''")


def read(page: Any, path: Path) -> None:
    page.click("#tab-read")
    page.set_input_files("#read-file", path)
    page.wait_for_selector("#read-result")


def saved(page: Any, button: str) -> bytes:
    with page.expect_download() as download:
        page.click(button)
    return Path(download.value.path()).read_bytes()


class TestPage:
    pytestmark = browser_only

    def test_a_text_is_spoken_while_its_words_are_highlighted(self, page: Any, server: Running) -> None:
        page.evaluate(
            "window.seen = []; new MutationObserver(() => { const now = document.querySelector('#speak-words .now');"
            " if (now && seen.at(-1) !== now.textContent) seen.push(now.textContent); })"
            ".observe(document.querySelector('#speak-words'), { subtree: true, attributes: true, childList: true })"
        )
        speak(page)
        assert page.text_content("#speak-words") == TEXT
        until(page, "document.querySelector('.play').textContent === 'Play'")  # it has ended by itself
        seen = page.evaluate("seen")
        assert seen[0] == "Hello," and "costs" in seen and len(seen) >= 4
        expected = httpx.post(f"{server.url}/v1/audio/speech", json={"input": TEXT, "response_format": "wav"}).content
        wav = saved(page, "#speak-download")
        assert wav[:4] == b"RIFF" and len(wav) == int.from_bytes(wav[4:8], "little") + 8
        assert wav[44:] == expected[44:]
        page.select_option("#speak-format", "flac")
        assert saved(page, "#speak-download").startswith(b"fLaC")

    def test_speed_and_pitch_are_those_of_the_sliders(self, page: Any) -> None:
        page.fill("#speak-speed", "1.5")
        page.fill("#speak-pitch", "-3")
        assert page.text_content("#speak-speed-shown") == "1.50×"
        assert page.text_content("#speak-pitch-shown") == "-3 semitones"
        with page.expect_request("**/v1/audio/speech") as request:
            page.click("#speak-go")
        asked = request.value.post_data_json
        assert (asked["speed"], asked["pitch"], asked["voice"]) == (1.5, -3, "stub")

    def test_a_word_and_the_waveform_move_the_position(self, page: Any) -> None:
        speak(page, TEXT + " " + TEXT)
        page.click(".play")
        assert page.text_content(".play") == "Play"
        page.click("#speak-words .word >> text=costs")
        page.wait_for_selector("#speak-words .now >> text=costs")
        assert page.text_content(".play") == "Pause"
        page.click(".play")
        page.fill("#speak-player .seek", "0")
        assert page.text_content("#speak-player .time").startswith("0:00 / 0:")
        drawn = page.evaluate(
            "(() => { const c = document.querySelector('.wave');"
            " return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v) })()"
        )
        assert drawn

    def test_speech_can_be_broken_off(self, page: Any, server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        kind = type(server.engine.voices["stub"])
        vocode = kind.vocode

        def slowly(*args: Any) -> Iterator[Any]:
            for wav in vocode(*args):
                time.sleep(0.2)
                yield wav

        monkeypatch.setattr(kind, "vocode", slowly)
        page.fill("#speak-text", TEXT * 20)
        page.click("#speak-go")
        page.wait_for_selector("#speak-words .word")
        page.click("#speak-stop")
        assert page.text_content(".play") == "Play" and page.text_content("#speak-alarm") == ""
        page.wait_for_selector("#speak-stop", state="hidden")
        end = time.monotonic() + 20
        while server.engine.speaking.waiting:
            assert time.monotonic() < end
            time.sleep(0.02)
        monkeypatch.undo()
        speak(page)
        assert page.text_content("#speak-words") == TEXT

    def test_written_forms_and_letters_outside_latin_stay_as_they_are_written(self, page: Any) -> None:
        text = "Prices 😀 rose\n\n  by 1,234.50 dollars — “naïve”, he said."
        speak(page, text)
        assert page.text_content("#speak-words") == text

    def test_a_recording_is_read_played_edited_and_saved(self, page: Any, server: Running, recording: Path) -> None:
        read(page, recording)
        assert page.text_content("#read-summary") == "3 words in 0:03"
        assert page.locator("#read-transcript .row").count() == 2
        files = {"file": recording.read_bytes()}
        for kind in ("srt", "vtt"):
            answer = httpx.post(f"{server.url}/v1/audio/transcriptions", files=files, data={"response_format": kind})
            assert saved(page, f"#read-exports >> text=.{kind}").decode() == answer.text
        assert saved(page, "#read-exports >> text=.txt") == b"ab c\nba\n"

        page.click("#read-transcript .word >> text=ba")
        until(page, f"document.querySelector('#read-audio').currentTime > {40 * SECONDS}")
        page.click("#read-edit")
        page.fill("#read-transcript textarea >> nth=0", "AB, & new C")
        page.click("#read-edit")
        words = page.locator("#read-transcript .word").all_text_contents()
        assert words == ["AB,", "&", "new", "C", "ba"]
        edited = saved(page, "#read-exports >> text=.vtt").decode()
        before = httpx.post(f"{server.url}/v1/audio/transcriptions", files=files, data={"response_format": "vtt"}).text
        assert "AB, &amp; new C" in edited
        assert re.findall(r"[\d:.]+ --> [\d:.]+", edited) == re.findall(r"[\d:.]+ --> [\d:.]+", before)

    def test_a_recording_can_be_dropped(self, page: Any, recording: Path) -> None:
        page.click("#tab-read")
        data = page.evaluate_handle(
            "(text) => { const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));"
            " const data = new DataTransfer(); data.items.add(new File([bytes], 'dropped.wav')); return data }",
            base64.b64encode(recording.read_bytes()).decode(),
        )
        page.dispatch_event("#read-drop", "drop", {"dataTransfer": data})
        page.wait_for_selector("#read-result")
        assert page.locator("#read-transcript .word").all_text_contents() == ["ab", "c", "ba"]

    def test_what_the_server_refuses_is_said(self, page: Any, tmp_path: Path) -> None:
        bad = tmp_path / "bad.wav"
        bad.write_bytes(b"no audio")
        page.click("#tab-read")
        page.set_input_files("#read-file", bad)
        page.wait_for_selector("#read-alarm:not(:empty)")
        assert "the upload cannot be read as audio" in page.text_content("#read-alarm")
        assert page.is_hidden("#read-working")
        page.click("#tab-speak")
        page.fill("#speak-text", "  ")
        page.click("#speak-go")
        assert page.text_content("#speak-alarm") == "Write a text first."
        page.fill("#speak-text", "a" * 3000)
        page.click("#speak-go")
        page.wait_for_selector("#speak-alarm >> text=may have 2000")

    def test_the_microphone_is_captioned(self, page: Any) -> None:
        page.click("#tab-captions")
        page.click("#captions-go")
        page.wait_for_selector("#captions-final >> text=abc ba")
        until(page, "document.querySelectorAll('#captions-final p').length >= 2")
        page.click("#captions-go")
        assert page.text_content("#captions-go") == "Start listening"
        assert page.locator("#captions-final p").all_text_contents()[:2] == ["abc ba", "c"]
        saved_ = saved(page, "#captions-exports >> text=.srt").decode()
        assert saved_.startswith("1\n00:00:0") and "abc ba" in saved_
        page.click("#captions-clear")
        assert page.locator("#captions-final p").count() == 0

    def test_a_score_is_sung(self, page: Any, song: Path) -> None:
        page.click("#tab-sing")
        page.set_input_files("#sing-file", song)
        page.wait_for_selector("#sing-stop", state="hidden")
        until(page, "document.querySelectorAll('#sing-words .word').length === 3")
        assert page.text_content("#sing-title") == "song" and "Tenor" in page.text_content("#sing-about")
        assert page.locator("#sing-part option").all_text_contents() == ["Alto", "Tenor"]
        assert saved(page, "#sing-download")[:4] == b"RIFF"
        page.select_option("#sing-part", "Alto")
        page.click("#sing-go")
        page.wait_for_selector("#sing-words .word >> text=li")
        assert "Alto" in page.text_content("#sing-about")

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_axe_finds_nothing(self, browser: Any, server: Running, recording: Path, song: Path, scheme: str) -> None:
        script = Path(axe.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
        with opened(browser, server.url, color_scheme=scheme, reduced_motion="reduce") as page:
            page.evaluate(script)

            def check(where: str) -> None:
                found = page.evaluate("(options) => axe.run(document, options)", RULES[scheme])
                wrong = [(rule["id"], [node["html"] for node in rule["nodes"]][:3]) for rule in found["violations"]]
                assert not wrong, f"{where}: {wrong}"
                assert len(found["passes"]) > (15 if scheme == "light" else 0)

            for tab in TABS:
                page.click(f"#tab-{tab}")
                check(tab)
            page.click("#tab-speak")
            page.click("#speak-go")
            page.wait_for_selector("#speak-words .now")
            check("while it speaks")
            read(page, recording)
            check("transcript")
            page.click("#read-edit")
            check("transcript that is edited")
            page.click("#tab-captions")
            page.click("#captions-go")
            page.wait_for_selector("#captions-final >> text=abc ba")
            check("captions")
            page.click("#captions-go")
            page.click("#tab-sing")
            page.set_input_files("#sing-file", song)
            page.wait_for_selector("#sing-words .word")
            check("song")

    @pytest.mark.parametrize("width", [320, 390])
    def test_a_phone_shows_everything_without_scrolling_sideways(
        self, browser: Any, server: Running, recording: Path, song: Path, width: int
    ) -> None:
        phone = {"viewport": {"width": width, "height": 740}, "has_touch": True, "is_mobile": True}
        with opened(browser, server.url, **phone) as page:
            speak(page)
            read(page, recording)
            page.click("#tab-sing")
            page.set_input_files("#sing-file", song)
            page.wait_for_selector("#sing-words .word")
            for tab in TABS:
                page.tap(f"#tab-{tab}")
                assert page.evaluate("document.documentElement.scrollWidth") == width
                small = page.evaluate(
                    "[...document.querySelectorAll('button:not(.word), select, summary')].filter((n) =>"
                    " n.checkVisibility() && n.getBoundingClientRect().height < 24).map((n) => n.outerHTML)"
                )
                assert not small

    def test_everything_can_be_done_by_keyboard(self, page: Any, recording: Path) -> None:
        page.focus("#tab-speak")
        for key, tab in (
            ("ArrowRight", "read"),
            ("End", "sing"),
            ("ArrowRight", "speak"),
            ("ArrowLeft", "sing"),
            ("Home", "speak"),
        ):
            page.keyboard.press(key)
            assert page.evaluate("document.activeElement.id") == f"tab-{tab}"
            assert page.is_visible(f"#{tab}") and page.url.endswith(f"#{tab}")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "speak-text"
        page.keyboard.press("Control+a")
        page.keyboard.type("Hello, world. Good.")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("#speak-words .word >> text=Good.")
        until(page, "document.querySelector('#speak-player .play').textContent === 'Play'")
        page.focus("#speak-player .seek")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Hello,"
        page.keyboard.press("End")
        assert page.evaluate("document.activeElement.textContent") == "Good."
        page.keyboard.press("Enter")
        page.wait_for_selector("#speak-words .now >> text=Good.")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "speak-format"

    def test_an_api_key_is_asked_for(self, browser: Any, stub_voice: Path, stub_recognizer: Path) -> None:
        with serving(stub_voice, stub_recognizer, keys=["sesame"]) as server, opened(browser, server.url) as page:
            page.wait_for_selector("#key[open]")
            page.fill("#key-value", "wrong")
            page.keyboard.press("Enter")
            until(page, "document.querySelector('#key').open && !document.querySelector('#key-value').value")
            page.fill("#key-value", "sesame")
            page.keyboard.press("Enter")
            until(page, "document.querySelector('#speak-voice').options.length === 1")
            speak(page)
            page.click("#tab-captions")
            page.click("#captions-go")
            page.wait_for_selector("#captions-final >> text=abc ba")

    def test_a_server_that_is_gone_is_said(self, page: Any) -> None:
        page.context.set_offline(True)
        page.click("#speak-go")
        page.wait_for_selector("#speak-alarm >> text=The server does not answer")
