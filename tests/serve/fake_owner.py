"""A small server for tests of the owner's page: it does what a test tells it to."""

from datetime import UTC, datetime, timedelta

from starlette.applications import Starlette
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from tests.serve.fake_server import POLICY, WEB, FakeServer, picture

ID = "0123456789ab"
OTHER = "ba9876543210"
PAGE = 24  # items on a page of the gallery


def ago(**span) -> str:
    return (datetime.now(UTC) - timedelta(**span)).isoformat()


def job(id: str = ID, **changed) -> dict:
    return {
        "id": id, "name": "Birds", "kind": "object-detection", "state": "waiting", "round": 3, "asked": 200,
        "answered": 31, "wanted": [2, 3], "items": 1000, "human": 410, "auto": 120, "failed": 0, "spent": 97.2,
        "currency": "$", "saved_percent": 12.3,
        "forecast": {"total": 189.4, "low": 170.0, "high": 210.0, "text": "The job will cost about $189."},
        "people": 3, "unclear": 1, "report": True,
    } | changed  # fmt: skip


def person(worker: str, **changed) -> dict:
    return {
        "worker": worker, "state": "active", "url": f"../../w/{len(worker)}/", "answers": 40,
        "cannot_tell": 2, "seconds": 7.2, "last": ago(minutes=5, seconds=10), "holds": 2, "agreement": 0.91,
        "compared": 35, "golds": 7, "gold_quality": 0.8, "crowd": False, "flag": "",
    } | changed  # fmt: skip


def answer(worker: str, label, words: str = "1 bird", **changed) -> dict:
    return {
        "worker": worker, "label": label, "reason": "", "at": ago(hours=2), "seconds": 8.4, "words": words,
        "sent_back": "",
    } | changed  # fmt: skip


def box(left: float, top: float, width: float, height: float, name: str = "bird") -> dict:
    return {"class": name, "left": left, "top": top, "width": width, "height": height}


def disputed(number: int, answers: list[dict], **changed) -> dict:
    return {
        "item": number, "source": f"pictures/{number}.jpg", "picture": f"jobs/{ID}/pictures/{number}", "width": 640,
        "height": 480, "agreement": 0.42, "open": True, "answers": answers,
    } | changed  # fmt: skip


class FakeOwner(FakeServer):
    """Jobs with their people. `posts` is what the page has sent, in order."""

    def __init__(self, *jobs: dict):
        super().__init__(0)
        self.jobs = list(jobs) or [job()]
        self.left_out: list[dict] = []
        self.people = [person("Anna"), person("Ben", url=None, state="paused", agreement=None, last=None)]
        self.few = ""
        self.unclear: list[dict] = []
        self.rounds = [
            {"round": 1, "human": 10, "auto": 0, "objects": 12, "cost": 2.6, "threshold": None},
            {"round": 2, "human": 400, "auto": 120, "objects": 655, "cost": 94.6, "threshold": 0.83},
        ]
        self.classes = ["bird", "nest"]
        self.gallery: list[dict] = []
        self.posts: list[tuple[str, dict]] = []
        self.refusals: list[tuple[int, str]] = []  # of the next requests that change something: a status and a sentence
        self.fault: tuple[int, str] | None = None  # of every request for something to show
        self.reads = 0  # how often the page asked for something to show

    def app(self) -> Starlette:
        at = "/deep/path/o/token"
        one = f"{at}/jobs/{{id}}"
        return Starlette(
            routes=[
                Route("/deep/path/static/{name}", self.static),
                Route(f"{at}/", self.page),
                Route(f"{at}/api/jobs", self.get_jobs),
                Route(f"{one}/api/overview", self.get_overview),
                Route(f"{one}/api/gallery", self.get_gallery),
                Route(f"{one}/api/{{what}}", self.change, methods=["POST"]),
                Route(f"{one}/pictures/{{item:int}}", self.get_picture),
                Route(f"{one}/report/", self.get_report),
                Route(f"{one}/submissions.csv", self.get_submissions),
            ]
        )

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/deep/path/o/token/"

    async def page(self, request):
        headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
        return FileResponse(WEB / "owner.html", headers=headers)

    def shown(self, content: dict) -> Response:
        self.reads += 1
        if self.fault:
            return JSONResponse({"error": self.fault[1]}, self.fault[0])
        return self.invalid() or JSONResponse(content)

    def one(self, request) -> dict | None:
        return next((job for job in self.jobs if job["id"] == request.path_params["id"]), None)

    async def get_jobs(self, request):
        return self.shown({"jobs": self.jobs, "left_out": self.left_out})

    async def get_overview(self, request):
        job = self.one(request)
        if job is None:
            return JSONResponse({"error": "There is no such job."}, 404)
        names = ("people", "few", "unclear", "rounds", "classes")
        return self.shown({"job": job} | {name: getattr(self, name) for name in names})

    async def get_gallery(self, request):
        page = int(request.query_params["page"])
        items = self.gallery[(page - 1) * PAGE : page * PAGE]
        pages = -(-len(self.gallery) // PAGE) or 1
        return self.shown({"page": page, "pages": pages, "total": len(self.gallery), "items": items})

    async def change(self, request):
        what, body = request.path_params["what"], await request.json()
        self.posts.append((what, body))
        if self.refusals:
            status, sentence = self.refusals.pop(0)
            return JSONResponse({"error": sentence}, status)
        return self.invalid() or JSONResponse(getattr(self, f"change_{what}")(**body))

    def change_people(self, worker: str, what: str) -> dict:
        found = next(person for person in self.people if person["worker"] == worker)
        found["state"] = {"pause": "paused", "resume": "active", "remove": "removed"}[what]
        if what == "remove":
            found["url"] = None
        return {"person": found}

    def change_links(self, worker: str, what: str) -> dict:
        if worker not in [person["worker"] for person in self.people]:
            self.people.append(person(worker, answers=0, seconds=None, last=None, agreement=None, gold_quality=None))
        found = next(person for person in self.people if person["worker"] == worker)
        found["url"] = f"../../w/new-{len(self.posts)}/" if what == "make" else None
        return {"worker": worker, "url": found["url"]}

    def change_again(self, item: int, worker: str, comment: str) -> dict:
        answers = next(one["answers"] for one in self.gallery if one["item"] == item)
        next(answer for answer in answers if answer["worker"] == worker)["sent_back"] = comment
        return {"ok": True}

    async def get_picture(self, request):
        data = picture(request.path_params["item"], 640, 480)
        return Response(data, media_type="image/png", headers={"Cache-Control": "private, max-age=86400"})

    async def get_report(self, request):
        return HTMLResponse("<!doctype html><title>The report</title>")

    async def get_submissions(self, request):
        return Response("session,participant\n", media_type="text/csv")
