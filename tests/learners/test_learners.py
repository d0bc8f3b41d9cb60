"""Which class a job's `learner` means."""

from types import SimpleNamespace

import pytest

from roundtruth import learners
from roundtruth.errors import UserError
from roundtruth.kinds import KINDS, get

KIND = SimpleNamespace(LEARNER="roundtruth.learners.classifier:Classifier")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_learner(kind):
    assert learners.load("default", get(kind)).__module__.startswith("roundtruth.learners.")


def test_a_user_can_bring_one():
    assert learners.load("fast_learner:Logistic", KIND).__name__ == "Logistic"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("better", "neither"),
        ("a.b:", "neither"),
        (":Net", "neither"),
        ("no_such_package:Net", "cannot be imported"),
        ("roundtruth.chance:Net", "has no Net"),
        ("roundtruth.chance:uniforms", "lacks train, predict, state, load"),
    ],
)
def test_what_is_none_is_refused(name, said):
    with pytest.raises(UserError, match=said) as error:
        learners.load(name, KIND)
    assert str(error.value).startswith("learner: ")
    assert "\n" not in str(error.value)
