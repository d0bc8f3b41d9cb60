"""A small server for tests of the labeling page: it does what a test tells it to."""

import asyncio
import io
import socket
import threading
from collections import Counter
from pathlib import Path

import uvicorn
from PIL import Image, ImageDraw
from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

import roundtruth

WEB = Path(roundtruth.__file__).parent / "serve/web"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
BREAK_OFF = Response("", headers={"Content-Length": "10"})  # the server closes the connection in the middle
COLOURS = ["#4a7fa5", "#a5744a", "#5c8f57", "#8a5a94", "#98843c"]


def picture(item: int, width: int = 640, height: int = 480) -> bytes:
    """A picture that shows the item's number."""
    image = Image.new("RGB", (width, height), COLOURS[item % len(COLOURS)])
    ImageDraw.Draw(image).text(
        (width / 2, height / 2), str(item), fill="white", font_size=max(height // 2, 1), anchor="mm"
    )
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


class FakeServer:
    """One job, one person. `stored` is what survives the server: the first body of each nonce, in order."""

    def __init__(self, items: int = 5, kind: str = "image-classification", classes=("cat", "dog", "bird"), **job):
        self.port = 0
        self.server = None
        self.stored: dict[str, dict] = {}
        self.attempts: list[str] = []  # the nonce of each request with an answer that was read
        self.asked_pictures: list[int] = []
        self.asked_next = 0  # how often the page asked for items
        self.answered_next = 0
        self.late_next: set[int] = set()  # which of these requests, counted from 1, get their answer late
        # what happens to the next requests with an answer: a status, or "break off before storing" or "after storing"
        self.faults: list = []
        self.picture_faults: Counter = Counter()  # item -> how often its picture is refused
        self.feedback: dict[int, dict] = {}
        self.errors = {409: "The batch is closed.", 422: "This class is not in the job.", 500: "It broke."}
        self.link_valid = True
        self.items = list(range(1, items + 1))
        self.seeds: dict[int, list] = {}  # labels that the server gives with an item
        self.comments: dict[int, str] = {}  # to items that were sent back
        self.sizes: dict[int, tuple[int, int]] = {}
        self.open_items = set(self.items)
        self.end = "done"  # the state once everything is answered
        self.job = {
            "job": "Animals", "worker": "Anna", "kind": kind, "classes": list(classes),
            "instructions": {"line": "Which animal is in the picture?", "html": "<p>The <b>whole</b> text.</p>"},
            "state": "open", "round": 1, "mine": 0, "answered": 0, "asked": items, "alone": False, "note": "",
            "exit": "", "overview": "", "figures": "", "training": False,
        } | job  # fmt: skip
        self.web = {path.name: path for path in WEB.iterdir()}

    # ---- what it knows

    @property
    def answers(self) -> dict[int, dict]:
        """The last answer to each item."""
        return {body["item"]: body for body in self.stored.values()}

    def remaining(self) -> list[int]:
        return [item for item in self.items if item in self.open_items and item not in self.answers]

    def progress(self) -> dict:
        answered = len(self.answers)
        state = self.job["state"]
        if state == "open" and not self.remaining():
            state = self.end
        base = {key: self.job[key] for key in ("round", "alone", "note", "exit", "figures")}
        return base | {
            "state": state, "mine": self.job["mine"] + answered, "answered": self.job["answered"] + answered,
            "asked": self.job["asked"],
        }  # fmt: skip

    def shown(self, item: int) -> dict:
        width, height = self.sizes.get(item, (640, 480))
        return {"item": item, "picture": f"pictures/{item}", "width": width, "height": height}

    def before(self, item: int) -> dict:
        return {"label": self.seeds.get(item), "comment": self.comments.get(item, "")}

    # ---- what it serves

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/deep/path/static/{name}", self.static),
                Route("/deep/path/w/token/", self.page),
                Route("/deep/path/w/token/api/job", self.get_job),
                Route("/deep/path/w/token/api/next", self.get_next, methods=["POST"]),
                Route("/deep/path/w/token/api/answers", self.take_answer, methods=["POST"]),
                Route("/deep/path/w/token/api/answers", self.get_answers),
                Route("/deep/path/w/token/pictures/{item:int}", self.get_picture),
            ]
        )

    async def page(self, request):
        headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
        return FileResponse(WEB / "label.html", headers=headers)

    async def static(self, request):
        path = self.web.get(request.path_params["name"])
        return FileResponse(path) if path else Response(status_code=404)

    async def get_job(self, request):
        return self.invalid() or JSONResponse(self.job | self.progress())

    async def get_next(self, request):
        have = (await request.json())["have"]
        self.asked_next += 1
        number = self.asked_next
        state = self.progress()["state"]
        free = [item for item in self.remaining() if item not in have] if state == "open" else []
        items = [self.shown(item) | self.before(item) for item in free[: max(2 - len(have), 0)]]
        said = {"items": items} | self.progress()
        while number in self.late_next:
            await asyncio.sleep(0.01)
        self.answered_next += 1
        return self.invalid() or JSONResponse(said)

    async def take_answer(self, request):
        body = await request.json()
        self.attempts.append(body["nonce"])
        fault = self.faults.pop(0) if self.faults else None
        if fault == "break off before storing":
            return BREAK_OFF
        if isinstance(fault, int) and fault >= 400:
            return JSONResponse({"error": self.errors.get(fault, "No.")}, fault)
        if invalid := self.invalid():
            return invalid
        self.stored.setdefault(body["nonce"], body)
        if fault == "break off after storing":
            return BREAK_OFF
        return JSONResponse(self.progress() | {"feedback": self.feedback.get(body["item"])})

    async def get_answers(self, request):
        keys = ("label", "nothing", "reason")
        newest = sorted(self.answers, key=lambda item: list(self.stored).index(self.answers[item]["nonce"]))[::-1]
        answers = [self.shown(item) | {key: self.answers[item][key] for key in keys} for item in newest[:20]]
        return self.invalid() or JSONResponse({"answers": answers})

    async def get_picture(self, request):
        item = request.path_params["item"]
        self.asked_pictures.append(item)
        if self.picture_faults[item] > 0:
            self.picture_faults[item] -= 1
            return Response(status_code=500)
        headers = {"Cache-Control": "private, max-age=86400"}
        return Response(picture(item, *self.sizes.get(item, (640, 480))), media_type="image/png", headers=headers)

    def invalid(self):
        return None if self.link_valid else JSONResponse({"error": "This link is not valid."}, 404)

    # ---- up and down

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/deep/path/w/token/"

    def start(self) -> "FakeServer":
        listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(self.app(), log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listener]}, daemon=True)
        self.thread.start()
        return self

    def stop(self) -> None:
        self.server.should_exit = self.server.force_exit = True
        self.thread.join(30)
        assert not self.thread.is_alive()
