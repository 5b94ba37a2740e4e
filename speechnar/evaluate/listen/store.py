"""Raters and their ratings in SQLite: when `add_rating` has returned, the rating is on the disk."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import threading
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from speechnar.evaluate.listen.plan import ListenError

DATABASE = "ratings.sqlite"
BUSY = 30.0  # seconds to wait for another process that writes

SCHEMA = """
CREATE TABLE IF NOT EXISTS secret (value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS raters (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    consented TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS ratings (
    rater INTEGER NOT NULL,
    trial INTEGER NOT NULL,
    key TEXT NOT NULL UNIQUE,
    scores TEXT NOT NULL,
    seconds REAL NOT NULL,
    received TEXT NOT NULL,
    PRIMARY KEY (rater, trial)
);
"""


class Full(ListenError):
    """The test has all its raters."""


class Refused(ListenError):
    """A rating that contradicts one which is stored."""


@dataclass(frozen=True)
class Rating:
    """One answer.

    Attributes:
        rater: 0 or more, in the order in which they came.
        trial: place in the rater's plan, from 0.
        key: of the request; the same one again is the same answer.
        scores: one, or in MUSHRA one for each sample.
        seconds: between the trial's appearance and the answer, as the rater's browser says.
        received: UTC, ISO 8601.
    """

    rater: int
    trial: int
    key: str
    scores: tuple[int, ...]
    seconds: float
    received: str = ""


class Store:
    """The database of a test folder, for several threads, and several processes."""

    def __init__(self, folder: Path) -> None:
        path = folder / DATABASE
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(path, BUSY, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")  # in WAL mode, SQLite's default loses commits with the power
            self._db.executescript(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise ListenError(f"cannot keep ratings in {path}: {error}") from None
        self._lock = threading.Lock()

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def secret(self) -> bytes:
        """Return the key that signs tokens: 32 bytes, drawn once for a test folder."""
        with self._lock:
            self._db.execute(
                "INSERT INTO secret SELECT ? WHERE NOT EXISTS (SELECT 1 FROM secret)", (secrets.token_bytes(32),)
            )
            return self._db.execute("SELECT value FROM secret").fetchone()[0]

    def add_rater(self, key: str, most: int) -> int:
        """Return the number of the rater who registered with `key`; register a new one if there is none.

        Raises:
            Full: there are `most` raters.
        """
        with self._lock:
            # one statement, so that two processes cannot give the same number
            self._db.execute(
                "INSERT OR IGNORE INTO raters SELECT n, ?, ? FROM (SELECT count(*) AS n FROM raters) WHERE n < ?",
                (key, _now(), most),
            )
            row = self._db.execute("SELECT number FROM raters WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise Full(f"this test has its {most} raters already; thank you for coming")
        return row[0]

    def add_rating(self, rating: Rating) -> None:
        """Store a rating; the same one again, with the same key, changes nothing.

        Raises:
            Refused: the trial is rated already, or the key belongs to another rating.
        """
        scores = json.dumps(rating.scores)
        with self._lock:
            self._db.execute(
                "INSERT OR IGNORE INTO ratings VALUES (?, ?, ?, ?, ?, ?)",
                (rating.rater, rating.trial, rating.key, scores, rating.seconds, _now()),
            )
            stored = self._db.execute(
                "SELECT key, scores FROM ratings WHERE rater = ? AND trial = ?", (rating.rater, rating.trial)
            ).fetchone()
        if stored != (rating.key, scores):
            raise Refused("this contradicts an answer that is stored already, which stands")

    def answered(self, rater: int) -> list[int]:
        """Return the trials that a rater has rated, in order."""
        with self._lock:
            rows = self._db.execute("SELECT trial FROM ratings WHERE rater = ? ORDER BY trial", (rater,))
            return [trial for (trial,) in rows]

    def raters(self) -> int:
        with self._lock:
            return self._db.execute("SELECT count(*) FROM raters").fetchone()[0]

    def ratings(self) -> list[Rating]:
        """Return all ratings, by rater and trial."""
        with self._lock:
            rows = self._db.execute(
                "SELECT rater, trial, key, scores, seconds, received FROM ratings ORDER BY rater, trial"
            ).fetchall()
        return [
            Rating(rater, trial, key, tuple(json.loads(scores)), seconds, received)
            for rater, trial, key, scores, seconds, received in rows
        ]


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
