"""The web page, which uses the endpoints beside it: plain files, sent as they are."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Response

FOLDER = Path(__file__).parent / "page"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "media-src blob:; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
PAGE = {
    "/" if path.name == "index.html" else f"/page/{path.name}": path
    for path in sorted(FOLDER.iterdir())
    if path.suffix in TYPES
}
"""The files of the page, by the path of their request; there are no others."""


def add_page(api: FastAPI) -> None:
    """Add the routes of the page."""
    for where, path in PAGE.items():
        _add(api, where, path.read_bytes(), f"{TYPES[path.suffix]}; charset=utf-8")


def _add(api: FastAPI, where: str, content: bytes, kind: str) -> None:
    @api.get(where)
    def _() -> Response:
        return Response(content, headers=HEADERS, media_type=kind)
