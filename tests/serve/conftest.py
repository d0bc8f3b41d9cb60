import pytest

from tests.jobs import boxes, digits, write_job
from tests.serve.jobs import waiting


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("ROUNDTRUTH_LINK_KEY", "k" * 40)


@pytest.fixture
def open_job(tmp_path):
    """open_job(kind, n, **workforce): a job whose first batch waits for people."""
    from roundtruth.spec import JobSpec

    def made(kind: str = "image-classification", n: int = 60, folder=tmp_path, **workforce):
        is_boxes = kind == "object-detection"
        folder.mkdir(parents=True, exist_ok=True)
        (boxes if is_boxes else digits)(folder, n)
        changed = {"classes": ["red", "green", "blue"], "learner": "default"} if is_boxes else {}
        people = {"backend": "page", "answers_per_item": 1, **workforce}
        return waiting(JobSpec.from_file(write_job(folder, kind=kind, workforce=people, **changed)))

    return made
