"""The labeling page's routes, with their limits and headers. A link in the path says who asks; there are no cookies."""

import io
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from roundtruth.errors import UserError
from roundtruth.instructions import Instructions
from roundtruth.pixels import decode
from roundtruth.serve import crowd, links
from roundtruth.serve.desk import Desk, Refused
from roundtruth.storage import read_url

LOG = logging.getLogger("roundtruth.serve")
LOG.setLevel(logging.WARNING)  # a line a request is for servers, see `roundtruth.cli`
WEB = Path(__file__).parent / "web"
TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
LARGEST_BODY = 2_000_000  # bytes: 5,000 boxes take one
RATE, BURST = 20.0, 100.0  # requests a second of one link, and how many may come at once
CALLERS = 10_000  # whose rates are known; the oldest are forgotten
QUALITY = 95  # of the JPEGs that the page shows
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
}
GONE = "This link is not valid. It was mistyped, has expired, or was revoked. Ask whoever gave it to you for a new one."


class Alone(NamedTuple):
    """What the page shows to one person who labels a whole job."""

    overview: str  # the token of the owner's page
    figures: Callable[[], str]  # how the job stands, in a line


class Site:
    """What each route does. `desks(id)` is the desk of the job with this id, `studies(id)` that of the job whose crowd
    comes from this study, None where there is none. `owner`: the routes of the owner's page. `alone`: what one person
    sees who labels the whole job."""

    def __init__(
        self,
        desks: Callable[[str], Desk | None],
        studies: Callable[[str], Desk | None] = lambda study: None,
        owner: Sequence[Route] = (),
        alone: Alone | None = None,
    ):
        self.desks, self.studies, self.owner, self.alone = desks, studies, owner, alone
        self.static = static_files()

    def app(self) -> ASGIApp:
        worker = "/w/{token}"
        routes = [
            Route("/static/{name}", self.file),
            Route("/join/prolific", self.join),
            Route(worker, self.slash),
            Route(f"{worker}/", self.page),
            Route(f"{worker}/api/job", self.about),
            Route(f"{worker}/api/next", self.next, methods=["POST"]),
            Route(f"{worker}/api/answers", self.mine),
            Route(f"{worker}/api/answers", self.answer, methods=["POST"]),
            Route(f"{worker}/pictures/{{item:int}}", self.picture),
            Route(f"{worker}/instructions/{{name:path}}", self.instruction_picture),
            *self.owner,
        ]
        handlers: Any = {HTTPException: said, Refused: refused, UserError: fault, OSError: fault}
        middleware = [Middleware(Headers), Middleware(Limits)]
        return Starlette(routes=routes, middleware=middleware, exception_handlers=handlers)

    def who(self, request: Request) -> tuple[Desk, str]:
        """The job and the person that a link names. Raises HTTPException for a link that opens nothing."""
        token = request.path_params["token"]
        named = links.parse(token)
        desk = self.desks(named.job) if named else None
        if named and desk:
            desk.look()
            worker = desk.worker(token, named.link)
            if worker is not None:
                return desk, worker
        raise HTTPException(404, GONE)

    # -- what anybody gets

    async def file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self.static:
            raise HTTPException(404, "There is no such file.")
        kind, data = self.static[name]
        return Response(data, media_type=kind, headers={"Cache-Control": "no-cache"})

    def join(self, request: Request) -> Response:
        """From Prolific to the page of a submission."""
        given = [request.query_params.get(name, "") for name in ("PROLIFIC_PID", "STUDY_ID", "SESSION_ID")]
        ids = crowd.visit(*given)
        if ids is None:
            return plain(400, "This address needs PROLIFIC_PID, STUDY_ID and SESSION_ID, as Prolific adds them.")
        desk = self.studies(ids[1])
        if desk is None:
            return plain(404, "This study is not open here. Please return the submission on Prolific.")
        desk.look()
        token = desk.enter(*ids)
        if token is None:
            return plain(410, "There is nothing left to label in this study. Please return the submission on Prolific.")
        return RedirectResponse(f"../w/{token}/", 303)

    # -- what a link gets

    async def slash(self, request: Request) -> Response:
        return RedirectResponse(f"{request.path_params['token']}/")

    def page(self, request: Request) -> Response:
        """The page has no data in it. It says itself that a link is not valid."""
        try:
            self.who(request)
        except HTTPException as gone:
            return Response(self.static["label.html"][1], gone.status_code, media_type="text/html")
        return Response(self.static["label.html"][1], media_type="text/html")

    def about(self, request: Request) -> Response:
        desk, worker = self.who(request)
        found = Instructions(desk.spec.instructions)
        return JSONResponse(
            {
                "job": desk.spec.name,
                "worker": worker,
                "kind": desk.spec.kind,
                "classes": desk.spec.classes,
                "instructions": {"line": found.line, "html": found.html},
                "alone": self.alone is not None,
                "training": desk.is_training(worker),
                "overview": f"../../o/{self.alone.overview}/" if self.alone else "",
                **self._standing(desk, worker),
            }
        )

    def _standing(self, desk: Desk, worker: str, nothing: bool = False) -> dict:
        return desk.standing(worker, nothing) | {"figures": self.alone.figures() if self.alone else ""}

    async def next(self, request: Request) -> Response:
        body = await json_of(request)
        return await to_thread.run_sync(self._next, request, body)

    def _next(self, request: Request, body: Any) -> Response:
        desk, worker = self.who(request)
        have = body.get("have", []) if isinstance(body, dict) else None
        if not isinstance(have, list) or not all(type(item) is int for item in have) or len(have) > 10:
            raise Refused(422, "have: a list of at most ten items.")
        items = [desk.given(worker, item) for item in desk.give(worker, have)]
        return JSONResponse({"items": items, **self._standing(desk, worker, nothing=not items and not have)})

    async def answer(self, request: Request) -> Response:
        body = await json_of(request)
        return await to_thread.run_sync(self._answer, request, body)

    def _answer(self, request: Request, body: Any) -> Response:
        desk, worker = self.who(request)
        desk.take(worker, body)
        return JSONResponse({"feedback": desk.feedback(worker, body["item"]), **self._standing(desk, worker)})

    def mine(self, request: Request) -> Response:
        desk, worker = self.who(request)
        return JSONResponse({"answers": desk.mine(worker)})

    def picture(self, request: Request) -> Response:
        desk, worker = self.who(request)
        item = request.path_params["item"]
        if not desk.may_see(worker, item):
            raise HTTPException(404, "This picture was not given to you.")
        return picture(desk, item)

    def instruction_picture(self, request: Request) -> Response:
        desk, _ = self.who(request)
        found = Instructions(desk.spec.instructions).picture(request.path_params["name"])
        if found is None:
            raise HTTPException(404, "There is no such picture.")
        return shown(found)


def static_files() -> dict[str, tuple[str, bytes]]:
    """The files of web/, and nothing else: name -> (media type, content)."""
    files = [path for path in WEB.iterdir() if path.suffix in TYPES]
    return {path.name: (TYPES[path.suffix], path.read_bytes()) for path in files}


def picture(desk: Desk, item: int) -> Response:
    """The picture of an item, upright and in 8 bits as the model sees it, without what else its file tells (places,
    names of people)."""
    try:
        data = read_url(desk.url(item))
    except OSError:
        raise HTTPException(404, "The picture cannot be read. Tell whoever gave you the link.") from None
    return shown(data, desk.job.ranges)


def shown(data: bytes, ranges: Any = None) -> Response:
    try:
        seen = decode(data, ranges).picture
    except Exception:  # Pillow raises half a dozen kinds for broken files
        raise HTTPException(404, "The picture is broken. Tell whoever gave you the link.") from None
    buffer = io.BytesIO()
    if seen.width * seen.height <= 256 * 256:
        seen.save(buffer, "PNG")  # where each pixel counts
    else:
        seen.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    kind = "image/png" if buffer.getvalue().startswith(b"\x89PNG") else "image/jpeg"
    return Response(buffer.getvalue(), media_type=kind, headers={"Cache-Control": "private, max-age=86400, immutable"})


def plain(status: int, text: str) -> Response:
    return Response(text, status, media_type="text/plain")


async def json_of(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError):
        raise Refused(422, "The request is not JSON.") from None


# -- what goes wrong


def said(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


def refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return JSONResponse({"error": str(error)}, error.status)


def fault(request: Request, error: Exception) -> Response:
    """The disk, S3 or the job's owner is at fault: it may work later, so the page tries again."""
    LOG.error("%s", error)
    return JSONResponse({"error": "The server cannot do this now. Try again in a moment."}, 503)


# -- limits and headers


class Headers:
    """Adds HEADERS to each response, unless it has its own, and logs what it took."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0

        async def adding(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                have = {name.lower() for name, _ in message["headers"]}
                more = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message["headers"], *((name, value) for name, value in more if name not in have)]
            await send(message)

        await self.app(scope, receive, adding)
        LOG.info(
            "%s %s %d %.1f ms", scope["method"], route_of(scope["path"]), status, 1e3 * (time.perf_counter() - start)
        )


def route_of(path: str) -> str:
    """A path without the token in it: logs hold no secrets."""
    parts = path.split("/")
    return "/".join([*parts[:2], "...", *parts[3:]]) if len(parts) > 2 and parts[1] in ("w", "o") else path


class Limits:
    """Refuses bodies that are too large, and callers that ask too often."""

    def __init__(self, app: ASGIApp):
        self.app, self.rates = app, Rates()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if not self.rates.allow(caller(scope)):
            again = {"Retry-After": "2"}
            await JSONResponse({"error": "Too many requests."}, 429, headers=again)(scope, receive, send)
            return
        size = 0

        async def limited() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > LARGEST_BODY:
                raise HTTPException(413, f"The request is larger than {LARGEST_BODY} bytes.")
            return message

        await self.app(scope, limited, send)


def caller(scope: Scope) -> str:
    """Whose requests are counted together: those with one link, else those from one address."""
    parts = scope["path"].split("/")
    if len(parts) > 2 and (links.parse(parts[2]) or links.OWNER.fullmatch(parts[2])):
        return parts[2]
    return scope["client"][0] if scope.get("client") else ""


class Rates:
    """How often each caller may ask: RATE a second, BURST at once (a token bucket)."""

    def __init__(self):
        self.left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # requests left, and when
        self.lock = Lock()

    def allow(self, who: str) -> bool:
        now = time.monotonic()
        with self.lock:
            left, since = self.left.pop(who, (BURST, now))
            left = min(BURST, left + RATE * (now - since))
            self.left[who] = max(0.0, left - 1), now
            if len(self.left) > CALLERS:
                self.left.popitem(last=False)
            return left >= 1
