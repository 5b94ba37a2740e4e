"""The rater's page in a real browser: by mouse and by keyboard, on a desk and on a phone, and with no network."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from speechnar import config
from speechnar.evaluate.listen import plan
from speechnar.evaluate.listen.report import make_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]

DESK = {"viewport": {"width": 1200, "height": 900}}
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
PATIENCE = 120_000  # milliseconds, for a machine with much else to do
FAST = """
const Slow = Audio;
window.Audio = function (url) { return Object.assign(new Slow(url), { defaultPlaybackRate: 8, playbackRate: 8 }); };
"""  # as nobody listens, but it spares a minute
HOSTILE = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


@pytest.fixture(scope="module")
def browser() -> Iterator:
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # whom Chromium's sandbox does not take
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path=CHROMIUM,
            args=["--autoplay-policy=no-user-gesture-required", *(["--no-sandbox"] if root else [])],
            timeout=PATIENCE,
        )
        yield chromium
        chromium.close()


@pytest.fixture
def served(tests, serving, tmp_path: Path):
    """Serves a copy of a test with some of its fields changed."""

    @contextlib.contextmanager
    def of(method: str, **changes: object) -> Iterator:
        folder = shutil.copytree(tests[method][0], tmp_path / method)
        config.save(replace(tests[method][1], **changes), folder / "test.json")
        with serving(folder) as server:
            yield server

    return of


@contextlib.contextmanager
def opened(browser, url: str, form: dict = DESK) -> Iterator:
    """A page in a browser that nobody has used before; at its end, no script of it has failed."""
    context = browser.new_context(**form)
    context.set_default_timeout(PATIENCE)
    context.add_init_script(FAST)
    page = context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda message: failures.append(message.text) if "Security Policy" in message.text else None)
    page.goto(url)
    yield page
    assert not failures
    context.close()


def begin(page) -> None:
    page.get_by_role("checkbox", name="I agree to take part").check()
    page.get_by_role("button", name="Begin").click()


def at(page, title: str) -> None:
    """Waits for a heading, which has the focus, for those who do not see it."""
    playwright.expect(page.get_by_role("heading", name=title, exact=True)).to_be_focused(timeout=PATIENCE)


def hear(page) -> None:
    players = page.locator(".player")
    for n in range(players.count()):
        players.nth(n).get_by_role("button").click()
        playwright.expect(players.nth(n)).to_contain_text("heard", timeout=PATIENCE)


def choose(page, label: str) -> None:
    hear(page)
    page.get_by_role("radio", name=label).check()
    page.get_by_role("button", name="Next").click()


def rows(folder: Path) -> list[tuple]:
    with sqlite3.connect(folder / "ratings.sqlite") as database:
        return database.execute("SELECT rater, trial, scores FROM ratings ORDER BY rater, trial").fetchall()


TITLES = ["Practice 1 of 2", "Practice 2 of 2", *(f"Trial {n} of 6" for n in range(1, 7))]


@pytest.mark.parametrize(
    ("method", "form", "label", "score"),
    [("mos", PHONE, "4 Good", 4), ("cmos", DESK, "A is slightly better", -1), ("abx", PHONE, "X is B", 1)],
)
def test_a_rater_goes_through_a_test(browser, served, method: str, form: dict, label: str, score: int) -> None:
    with served(method) as server, opened(browser, server.url, form) as page:
        begin(page)
        for title in TITLES:
            at(page, title)
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, "the page is wider than the screen"
            choose(page, label)
        at(page, "Thank you")
        playwright.expect(page.get_by_text("All your answers are stored.")).to_be_visible(timeout=PATIENCE)
        assert rows(server.folder) == [(0, trial, f"[{score}]") for trial in range(8)]


def test_mushra_by_keyboard_alone(browser, served) -> None:
    def tab_to(page, role: str, name: str) -> None:
        for _ in range(40):
            if page.get_by_role(role, name=name).evaluate("node => node === document.activeElement"):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"the {role} {name!r} cannot be reached by the Tab key")

    with served("mushra", training=(), catch=0) as server, opened(browser, server.url) as page:
        at(page, "Welcome")
        tab_to(page, "checkbox", "I agree to take part")
        page.keyboard.press("Space")
        tab_to(page, "button", "Begin")
        page.keyboard.press("Enter")
        for n in range(1, 5):
            at(page, f"Trial {n} of 4")
            tab_to(page, "button", "Play the reference")
            page.keyboard.press("Space")
            for sample in range(1, 5):
                tab_to(page, "button", f"Play sample {sample}")
                page.keyboard.press("Space")
                playwright.expect(page.locator(".player").nth(sample)).to_contain_text("heard", timeout=PATIENCE)
                tab_to(page, "slider", f"sample {sample}, from 0, bad, to 100, excellent")
                for _ in range(sample):
                    page.keyboard.press("ArrowRight")
            page.keyboard.press("End")  # of the last one
            assert page.get_by_role("slider").last.get_attribute("aria-valuetext") == "100, excellent"
            tab_to(page, "button", "Next")
            page.keyboard.press("Enter")
        at(page, "Thank you")
        playwright.expect(page.get_by_text("All your answers are stored.")).to_be_visible(timeout=PATIENCE)
        assert rows(server.folder) == [(0, trial, "[51, 52, 53, 100]") for trial in range(4)]


def test_what_is_missing_is_said_and_focused(browser, served) -> None:
    with served("cmos") as server, opened(browser, server.url) as page:
        hint = page.get_by_role("alert")
        page.get_by_role("button", name="Begin").click()
        playwright.expect(hint).to_have_text("Please tick the box if you want to take part.")
        begin(page)
        at(page, TITLES[0])
        page.get_by_role("button", name="Next").click()
        playwright.expect(hint).to_have_text("Please listen to A first.")
        playwright.expect(page.get_by_role("button", name="Play A")).to_be_focused()
        hear(page)
        page.get_by_role("button", name="Next").click()
        playwright.expect(hint).to_have_text("Please choose an answer.")
        playwright.expect(page.get_by_role("radio").first).to_be_focused()
        page.keyboard.press("ArrowDown")
        playwright.expect(hint).to_have_text("")
        with page.expect_response("**/api/ratings"):  # the next trial is shown before the answer is stored
            page.get_by_role("button", name="Next").click()
        at(page, TITLES[1])
        assert rows(server.folder)[0][2] == "[2]"


def test_a_rater_who_reloads_goes_on_and_one_without_network_loses_nothing(browser, served) -> None:
    with served("mos") as server, opened(browser, server.url) as page:
        begin(page)
        at(page, TITLES[0])
        choose(page, "3 Fair")
        at(page, TITLES[1])
        page.reload()
        at(page, TITLES[1])  # and there is no second welcome
        page.wait_for_load_state("networkidle")  # the sounds of the next trial are here
        server.kill()
        choose(page, "2 Poor")
        kept = "Answers kept here until then: 1"
        playwright.expect(page.get_by_role("status")).to_contain_text(kept, timeout=PATIENCE)
        at(page, TITLES[2])
        server.start()
        playwright.expect(page.get_by_role("status")).to_have_text("", timeout=PATIENCE)
        for title in TITLES[2:]:
            at(page, title)
            choose(page, "5 Excellent")
        at(page, "Thank you")
        playwright.expect(page.get_by_text("All your answers are stored.")).to_be_visible(timeout=PATIENCE)
        page.reload()
        at(page, "Thank you")
        assert rows(server.folder) == [(0, trial, f"[{score}]") for trial, score in enumerate([3, 2] + [5] * 6)]


def test_an_answer_whose_acknowledgement_is_lost_is_stored_once(browser, served) -> None:
    with served("mos") as server, opened(browser, server.url) as page:
        lost = []

        def lose(route) -> None:
            route.fetch() if len(lost) < 2 else None
            lost.append(1)
            route.abort() if len(lost) <= 2 else route.continue_()

        page.route("**/api/ratings", lose)
        begin(page)
        at(page, TITLES[0])
        choose(page, "1 Bad")
        at(page, TITLES[1])
        while not page.evaluate("Object.values(localStorage).includes('[]')"):  # the queue is not empty
            page.wait_for_timeout(50)
        assert len(lost) == 3
        assert rows(server.folder) == [(0, 0, "[1]")]


def test_a_hostile_title_is_text(browser, served) -> None:
    with served("mos", title=HOSTILE, consent=HOSTILE, question=HOSTILE) as server:
        with opened(browser, server.url) as page:
            playwright.expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
            begin(page)
            at(page, TITLES[0])
            playwright.expect(page.locator("#question")).to_have_text(HOSTILE)
            assert page.title() == HOSTILE


def test_made_served_answered_and_reported(browser, served, tmp_path: Path) -> None:
    """Two raters, each in a browser of their own, who like the second system better."""
    with served("cmos", training=(), catch=0) as server:
        test = plan.load(server.folder)
        for rater in range(2):
            with opened(browser, server.url) as page:
                begin(page)
                for n, trial in enumerate(plan.plan(test, rater), 1):
                    at(page, f"Trial {n} of 4")
                    choose(page, "A is better" if trial.systems[0] == "beta" else "B is better")
                at(page, "Thank you")
                playwright.expect(page.get_by_text("All your answers are stored.")).to_be_visible(timeout=PATIENCE)
        report = make_report(server.folder, tmp_path / "report")
    (metric,) = report.metrics
    assert (metric.name, metric.mean.value, metric.ratings, metric.raters) == ("alpha / beta", 2.0, 8, 2)
