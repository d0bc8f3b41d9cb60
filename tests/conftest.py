from pathlib import Path

import pytest


@pytest.fixture
def data() -> Path:
    """The development data beside the checkout; it is not part of the project, and tests that use it skip without it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the development data is not beside this checkout")
    return folder
