"""The routes of the owner's page: the overview of all jobs of a server."""

from collections.abc import Callable
from typing import Any

from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from roundtruth.errors import UserError
from roundtruth.manifest import is_text
from roundtruth.serve import crowd, links, people
from roundtruth.serve.desk import LONGEST_TEXT, Desk, Refused
from roundtruth.serve.overview import Overview
from roundtruth.serve.site import GONE, LOG, json_of, picture, static_files

LAST_PAGE = 10**6  # of a gallery
# The report is one file with its scripts and pictures inside. It may load nothing, and is nobody's origin.
REPORT = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts allow-modals allow-downloads"
)


class Owner:
    """What each route of the owner's page does. `root` is what the server serves; `desks()` gives its jobs, and
    `left_out()` those that cannot be served, address -> why."""

    def __init__(self, root: str, desks: Callable[[], list[Desk]], left_out: Callable[[], dict[str, str]] = dict):
        self.root, self.desks, self.left_out, self.static = root, desks, left_out, static_files()
        self.overviews: dict[str, Overview] = {}

    def routes(self) -> list[Route]:
        at, job = "/o/{token}", "/o/{token}/jobs/{job}"
        return [
            Route(at, self.slash),
            Route(f"{at}/", self.page),
            Route(f"{at}/api/jobs", self.jobs),
            Route(f"{job}/api/overview", self.overview),
            Route(f"{job}/api/gallery", self.gallery),
            Route(f"{job}/api/again", self.again, methods=["POST"]),
            Route(f"{job}/api/people", self.people, methods=["POST"]),
            Route(f"{job}/api/links", self.links, methods=["POST"]),
            Route(f"{job}/pictures/{{item:int}}", self.picture),
            Route(f"{job}/report/", self.report),
            Route(f"{job}/submissions.csv", self.submissions),
        ]

    def check(self, request: Request) -> None:
        """Raises HTTPException for a link that is not the owner's."""
        if not links.is_owner(request.path_params["token"], self.root):
            raise HTTPException(404, GONE)

    def of(self, request: Request) -> Overview:
        """The job that a request names. Raises HTTPException."""
        self.check(request)
        named = request.path_params["job"]
        desk = next((desk for desk in self.desks() if desk.id == named), None)
        if desk is None:
            raise HTTPException(404, "There is no such job here.")
        desk.look()
        return self.overview_of(desk)

    def overview_of(self, desk: Desk) -> Overview:
        if desk.id not in self.overviews:
            self.overviews[desk.id] = Overview(desk)
        return self.overviews[desk.id]

    # -- what the owner sees

    async def slash(self, request: Request) -> Response:
        return RedirectResponse(f"{request.path_params['token']}/")

    def page(self, request: Request) -> Response:
        """The page has no data in it. It says itself that a link is not valid."""
        good = links.is_owner(request.path_params["token"], self.root)
        return Response(self.static["owner.html"][1], 200 if good else 404, media_type="text/html")

    def jobs(self, request: Request) -> Response:
        self.check(request)
        jobs, left_out = [], self.left_out()
        for desk in self.desks():
            try:
                desk.look()
                jobs.append(self.overview_of(desk).job())
            except (UserError, OSError) as fault:  # the others are shown
                LOG.error("%s", fault)
                left_out = left_out | {desk.store.address: str(fault)}
        jobs.sort(key=lambda job: (job["name"].casefold(), job["id"]))
        told = [{"address": address, "why": why} for address, why in sorted(left_out.items())]
        return JSONResponse({"jobs": jobs, "left_out": told})

    def overview(self, request: Request) -> Response:
        return JSONResponse(self.of(request).whole())

    def gallery(self, request: Request) -> Response:
        number = request.query_params.get("page", "1")
        if not number.isascii() or not number.isdecimal() or not 1 <= int(number[:9]) <= LAST_PAGE:
            raise Refused(422, "page: a number from 1.")
        return JSONResponse(self.of(request).gallery(int(number)))

    def picture(self, request: Request) -> Response:
        desk, item = self.of(request).desk, request.path_params["item"]
        if not desk.has(item):
            raise HTTPException(404, "There is no such picture.")
        return picture(desk, item)

    def report(self, request: Request) -> Response:
        desk = self.of(request).desk
        try:
            page = desk.store.read("report/index.html")
        except FileNotFoundError:
            raise HTTPException(404, "There is no report yet.") from None
        return Response(page, media_type="text/html", headers={"Content-Security-Policy": REPORT})

    def submissions(self, request: Request) -> Response:
        desk = self.of(request).desk
        text = crowd.table(desk.log, desk.submissions()).to_csv(index=False, lineterminator="\n")
        disposition = {"Content-Disposition": 'attachment; filename="submissions.csv"'}
        return Response(text, media_type="text/csv", headers=disposition)

    # -- what the owner does

    async def again(self, request: Request) -> Response:
        body = await json_of(request)
        return await to_thread.run_sync(self._again, request, body)

    def _again(self, request: Request, body: Any) -> Response:
        overview, given = self.of(request), named(body, "worker", "comment")
        if type(body.get("item")) is not int:
            raise Refused(422, "item: a number.")
        if not given["comment"]:
            raise Refused(422, "comment: say what is to be done better.")
        overview.desk.send_back(given["worker"], body["item"], given["comment"])
        return JSONResponse({"ok": True})

    async def people(self, request: Request) -> Response:
        body = await json_of(request)
        return await to_thread.run_sync(self._people, request, body)

    def _people(self, request: Request, body: Any) -> Response:
        overview, given = self.of(request), named(body, "worker", "what")
        if given["what"] not in people.STATES:
            raise Refused(422, f"what: one of {', '.join(people.STATES)}.")
        if given["worker"] not in overview.workers():
            raise Refused(404, "There is no such person in this job.")
        overview.desk.change(given["worker"], given["what"])
        return JSONResponse({"person": overview.person(given["worker"])})

    async def links(self, request: Request) -> Response:
        body = await json_of(request)
        return await to_thread.run_sync(self._links, request, body)

    def _links(self, request: Request, body: Any) -> Response:
        overview, given = self.of(request), named(body, "worker", "what")
        desk = overview.desk
        if given["what"] == "revoke":
            links.revoke(desk.store, given["worker"])
            desk.look(anew=True)
            return JSONResponse({"worker": given["worker"], "url": overview.url(given["worker"])})
        if given["what"] != "make":
            raise Refused(422, "what: make or revoke.")
        try:
            worker = desk.invite(given["worker"])
        except UserError as mistake:
            raise Refused(422, str(mistake).removeprefix("link: ")) from None
        return JSONResponse({"worker": worker, "url": overview.url(worker)})


def named(body: Any, *names: str) -> dict[str, str]:
    """The texts with these names. Raises Refused where one is missing or no text."""
    for name in names:
        value = body.get(name) if isinstance(body, dict) else None
        if not isinstance(value, str) or len(value) > LONGEST_TEXT or not is_text(value):
            raise Refused(422, f"{name}: a text of at most {LONGEST_TEXT} characters.")
    return {name: body[name].strip() for name in names}
