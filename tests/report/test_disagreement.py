import numpy as np
import pandas as pd

from roundtruth import kinds
from roundtruth.report import disagreement

CLASSES, BOXES = kinds.get("image-classification"), kinds.get("object-detection")


def answers(*rows) -> pd.DataFrame:
    """(item, worker, class_id) or (item, worker, class_id, left, top, width, height), and maybe a reason."""
    sides = [] if len(rows[0]) < 6 else ["left", "top", "width", "height"]
    columns = ["item", "worker", "class_id", *sides, "reason"]
    return pd.DataFrame([row if len(row) == len(columns) else (*row, None) for row in rows], columns=columns)


def test_classes_by_hand():
    said = answers(
        (7, "ann", 0), (7, "bob", 0), (7, "eve", 1),
        (9, "ann", 2), (9, "bob", 2),
        (4, "ann", 1), (4, "bob", 0), (4, "eve", -1, "blurred"),
        (5, "ann", 3),
        (6, "ann", 1), (6, "bob", 1),
    )  # fmt: skip
    labels = pd.DataFrame({"item": [4, 5, 7, 9], "class_id": [0, 1, 0, 2], "confidence": 0.9})  # 6 has no label yet
    agreed = disagreement.agreement(CLASSES, said, labels).set_index(["item", "worker"])["quality"]
    assert agreed.to_dict() == {
        (7, "ann"): 1.0, (7, "bob"): 1.0, (7, "eve"): 0.0, (9, "ann"): 1.0, (9, "bob"): 1.0,
        (4, "ann"): 0.0, (4, "bob"): 1.0, (5, "ann"): 0.0,
    }  # fmt: skip
    worst = disagreement.worst(agreed.reset_index(), 10)
    assert worst.index.tolist() == [4, 7]  # on 9 all agreed, 5 has one answer
    np.testing.assert_allclose(worst, [1 / 2, 2 / 3])
    assert disagreement.worst(agreed.reset_index(), 1).index.tolist() == [4]


def test_boxes_by_hand():
    said = answers(
        (3, "ann", 0, 0, 0, 10, 10),
        (3, "bob", 0, 0, 0, 10, 5),  # half of the merged box
        (3, "eve", 0, 0, 0, 10, 10), (3, "eve", 0, 20, 20, 5, 5),  # and a box that nobody else drew
        (3, "joe", -1, 0, 0, 0, 0),
    )  # fmt: skip
    labels = pd.DataFrame({"item": [3], "class_id": 0, "left": 0, "top": 0, "width": 10, "height": 10})
    agreed = disagreement.agreement(BOXES, said, labels.assign(confidence=0.9)).set_index("worker")["quality"]
    assert agreed.to_dict() == {"ann": 1.0, "bob": 0.5, "eve": 0.5, "joe": 0.0}


def test_of_many_labels_the_least_sure_are_looked_through():
    labels = pd.DataFrame({"item": [1, 2, 3, 4], "class_id": 0, "confidence": [0.9, 0.2, 0.5, 0.3]})
    assert disagreement.least_sure(CLASSES, labels, 2)["item"].tolist() == [2, 4]
    assert disagreement.least_sure(CLASSES, labels, 4) is labels
