"""Jobs that people label on the page, and pages that label without a browser."""

import json
import secrets
from contextlib import contextmanager

from starlette.testclient import TestClient

from roundtruth import loop
from roundtruth.begin import begin
from roundtruth.job import Job
from roundtruth.serve import links
from roundtruth.serve.desk import Desk
from roundtruth.serve.site import Site

BOX = {"class": "red", "left": 1.5, "top": 2, "width": 10, "height": 12.25}


def waiting(spec) -> Job:
    """A job whose first batch is open."""
    begin(spec)
    assert not loop.rounds(spec.output)
    return Job(spec.output)


class Page:
    """The page of one person, as the server sees it."""

    def __init__(self, client: TestClient, token: str):
        self.client, self.at = client, f"/w/{token}"

    def get(self, path: str):
        return self.client.get(f"{self.at}/{path}")

    def post(self, path: str, body):
        return self.client.post(f"{self.at}/{path}", content=json.dumps(body))

    def next(self, *have: int) -> list[int]:
        found = self.post("api/next", {"have": list(have)})
        assert found.status_code == 200, found.text
        return [given["item"] for given in found.json()["items"]]

    def say(self, item: int, label, **more):
        return self.post("api/answers", answer(item, label, **more))


def answer(item: int, label, **more) -> dict:
    given = {"nonce": secrets.token_hex(16), "item": item, "label": label, "nothing": label == [], "reason": ""}
    return given | {"seconds": 1.0} | more


@contextmanager
def pages(desks: Desk | list[Desk]):
    """page(name): the page of the person with this name, who gets a link; of the first desk."""
    desks = desks if isinstance(desks, list) else [desks]
    with TestClient(Site({desk.id: desk for desk in desks}.get).app()) as client:

        def page(name: str) -> Page:
            token = links.token(desks[0].id, links.of(desks[0].store, name))
            desks[0].look(anew=True)
            return Page(client, token)

        yield page
