"""Pages of a review: what each address of the server answers."""

from __future__ import annotations

import json
import secrets
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counter.errors import CallcountError
from counter.report.event_media import data_uri
from counter.report.report_page import page_asset, page_templates
from counter.report.report_tables import Cell, Column, make_table
from counter.review.answers import VERDICTS, Agreement, agreements
from counter.review.overview_page import MOST_S, Overview, site_names, try_recording
from counter.review.questions import ALL, AS_WRITTEN, EVENT, OPEN, ORDERS, Wish, verdicts_of
from counter.review.server import Guard, read_body
from counter.review.session import MOST_LETTERS, ReviewSession, ReviewTask
from counter.tables.results import Results

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

MOST_UPLOAD_BYTES = 200_000_000
_MOST_JSON_BYTES = 100_000
_N_OVERVIEWS = 64
_N_SESSIONS = 100  # of more the one that was used least is begun anew by its page
_HERE = Path(__file__).parent
_OWN_ASSETS = ("review.css", "review.js", "answer.js", "overview.js", "microphone.js")
_STYLES = ("/report.css", "/review.css")
_REPORT_ASSETS = ("report.css", "report.js")
_KINDS = {".css": "text/css", ".js": "text/javascript"}
_PLACES = ("file", "microphone")


def review_app(
    title: str, results: Results, task: ReviewTask, *, reviewer: str, token: str
) -> ASGIApp:
    """The pages of a review, as what ``serve`` serves.

    Parameters
    ----------
    title : str
        Name of the results.
    results : Results
        The scan.
    task : ReviewTask
        What is reviewed.
    reviewer : str
        Who answers, where a page says nothing else.
    token : str
        What every visitor has to give first; empty where this machine alone may look.
    """
    pages = ReviewPages(title, results, task, reviewer)
    return Guard(pages.app(), token, pages.ask_token, _STYLES)


@dataclass(frozen=True)
class ReviewPages:
    """The pages, and the sessions of those who look at them; see ``review_app``."""

    title: str
    results: Results
    task: ReviewTask
    reviewer: str

    def app(self) -> Starlette:
        """Which address is answered by what."""
        from starlette.applications import Starlette
        from starlette.routing import Route

        return Starlette(
            routes=[
                Route("/", self.review),
                Route("/overview", self.overview),
                Route("/try", self.trial_page),
                Route("/try", self.trial, methods=["POST"]),
                Route("/session", self.begin, methods=["POST"]),
                Route("/answer", self.answer, methods=["POST"]),
                Route("/agreement", self.agreement),
                Route("/{name}", self.asset),
            ]
        )

    def ask_token(self, was_wrong: bool) -> Response:
        """The page that asks for the token."""
        return self._page("token.html", status=401, was_wrong=was_wrong)

    def review(self, request: Request) -> Response:
        """The page of one item after the other."""
        items = self.task.items
        return self._page(
            "review.html",
            page="review",
            reviewer=self.reviewer,
            most_letters=MOST_LETTERS,
            sites=items.sites,
            labels=items.labels,
            answers=[OPEN, ALL, *verdicts_of(items.kind)],
            orders=ORDERS if items.kind == EVENT else (),
        )

    def overview(self, request: Request) -> Response:
        """What was counted; ``site`` is the place of a site that is shown alone."""
        from starlette.responses import HTMLResponse

        chosen = request.query_params.get("site", "")
        place = int(chosen) if chosen.isdecimal() and len(chosen) < 10 else None
        try:
            return HTMLResponse(self._drawn_overview(place))
        except CallcountError as error:
            return self._page("overview.html", page="overview", error=str(error))

    def trial_page(self, request: Request) -> Response:
        """The page that takes a recording."""
        most = {"minutes": round(MOST_S / 60), "megabytes": MOST_UPLOAD_BYTES // 1_000_000}
        return self._page("try.html", page="try", most_bytes=MOST_UPLOAD_BYTES, **most)

    async def trial(self, request: Request) -> Response:
        """What the model finds in a recording, as a part of the page; the recording is not kept."""
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import PlainTextResponse

        place = request.query_params.get("place", "")
        name = request.query_params.get("name", "")[:200] or "recording"
        with tempfile.TemporaryDirectory(prefix="callcount-") as folder:
            file = Path(folder) / "recording"
            n_bytes = 0
            with file.open("wb") as received:
                async for part in request.stream():
                    n_bytes += len(part)
                    if n_bytes > MOST_UPLOAD_BYTES:
                        return PlainTextResponse("The recording is too large.", 413)
                    received.write(part)
            try:
                found = await run_in_threadpool(try_recording, self.results, name, file)
            except CallcountError as error:
                return PlainTextResponse(str(error), 422)
        table = found.table(place if place in _PLACES else _PLACES[0])
        plot = data_uri("image/png", found.plot)
        return self._page("trial.html", result=found.result, plot=plot, table=table)

    async def begin(self, request: Request) -> Response:
        """A session of a person, with what they want to see."""
        from starlette.concurrency import run_in_threadpool

        given = await _sent(request)
        wish = _wish(given.get("wish"))
        name = given.get("reviewer")
        reviewer = " ".join(name.split())[:MOST_LETTERS] if isinstance(name, str) else ""
        if wish is None or not reviewer:
            return _json_response({"error": "Write your name: it is stored with each answer."}, 400)

        def begun() -> tuple[ReviewSession, dict[str, Any]]:
            session = ReviewSession(self.task, reviewer, wish)
            return session, session.message()

        key = secrets.token_urlsafe(16)
        self._sessions[key], message = await run_in_threadpool(begun)
        while len(self._sessions) > _N_SESSIONS:
            self._sessions.popitem(last=False)
        return _json_response({"session": key, **message})

    async def answer(self, request: Request) -> Response:
        """What is next, after an answer was stored."""
        from starlette.concurrency import run_in_threadpool

        given = await _sent(request)
        key = str(given.get("session"))
        session = self._sessions.get(key)
        if session is None:
            return _json_response({"error": "the page was begun anew."}, 410)
        self._sessions.move_to_end(key)

        def answered() -> dict[str, Any]:
            with session.lock:
                session.take(given)
                return session.message()

        try:
            return _json_response(await run_in_threadpool(answered))
        except CallcountError as error:
            return _json_response({"error": str(error)}, 500)

    def agreement(self, request: Request) -> Response:
        """How far every two persons agree, as a part of the page."""
        found = agreements(self.task.store.newest(self.task.items.kind))

        def column(title: str) -> Column[Agreement]:
            return Column(title, lambda one: Cell(str(one.cells[title])), False)

        titles = found[0].cells if found else ()
        table = make_table("agreement", "", [column(title) for title in titles], found)
        return self._page("agreement.html", table=table if found else None)

    def asset(self, request: Request) -> Response:
        """A style or script of the package; no other file has an address."""
        from starlette.responses import PlainTextResponse
        from starlette.responses import Response as Answer

        name = request.path_params["name"]
        if name in _REPORT_ASSETS:
            content = page_asset(name)
        elif name in _OWN_ASSETS:
            content = (_HERE / name).read_text(encoding="utf-8")
        else:
            return PlainTextResponse("There is nothing here.", 404)
        return Answer(content, media_type=_KINDS[Path(name).suffix])

    @cached_property
    def _overview(self) -> Overview:
        return Overview(self.results)

    @cached_property
    def _drawn_overview(self) -> Callable[[int | None], bytes]:
        """The overview of a site, drawn once for all visitors."""

        def drawn(place: int | None) -> bytes:
            overview = self._overview
            return self._html(
                "overview.html",
                page="overview",
                error="",
                sites=site_names(overview.sites()),
                counts=overview.counts(),
                season=overview.season(place),
                chosen=place,
            )

        return lru_cache(maxsize=_N_OVERVIEWS)(drawn)

    @cached_property
    def _sessions(self) -> OrderedDict[str, ReviewSession]:
        return OrderedDict()

    @cached_property
    def _templates(self) -> Any:
        return page_templates(_HERE)

    def _page(self, name: str, *, status: int = 200, **given: Any) -> Response:
        from starlette.responses import HTMLResponse

        return HTMLResponse(self._html(name, **given), status)

    def _html(self, name: str, **given: Any) -> bytes:
        html: str = self._templates.get_template(name).render(title=self.title, **given)
        return html.encode("utf-8", "backslashreplace")


def _json_response(data: Mapping[str, Any], status: int = 200) -> Response:
    """JSON; names from a file system may hold half a letter, which JSON escapes."""
    from starlette.responses import Response

    return Response(json.dumps(data), status, media_type="application/json")


async def _sent(request: Request) -> Mapping[str, Any]:
    """What a page sent; nothing where that cannot be understood."""
    body = await read_body(request, _MOST_JSON_BYTES)
    try:
        given = json.loads(body or b"")
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def _wish(given: object) -> Wish | None:
    """What a person wants to see; None where it cannot be understood."""
    if not isinstance(given, dict):
        return None
    names = [given.get(key, []) for key in ("sites", "labels")]
    scores, answer = given.get("scores", [0.0, 1.0]), given.get("answer", OPEN)
    order = given.get("order", AS_WRITTEN)
    are_names = all(isinstance(some, list) and _all(some, str) for some in names)
    are_scores = isinstance(scores, list) and len(scores) == 2 and _all(scores, (int, float))
    if not (are_names and are_scores and order in ORDERS and answer in (OPEN, ALL, *VERDICTS)):
        return None
    return Wish(tuple(names[0]), tuple(names[1]), (scores[0], scores[1]), answer, order)


def _all(some: list[Any], kind: type | tuple[type, ...]) -> bool:
    return all(isinstance(one, kind) for one in some)
