import pytest

from roundtruth.plural import chosen, counted


@pytest.mark.parametrize(
    ("number", "what", "said"),
    [
        (1, "box[|es]", "1 box"),
        (0, "box[|es]", "0 boxes"),
        (2, "box[|es]", "2 boxes"),
        (1000, "item[|s]", "1,000 items"),
        (1, "picture[|s] [is|are] broken; look at [it|them]", "1 picture is broken; look at it"),
        (3, "picture[|s] [is|are] broken; look at [it|them]", "3 pictures are broken; look at them"),
        (1, "labels in [brackets] and in a|b", "1 labels in [brackets] and in a|b"),
    ],
)
def test_the_number_chooses_singular_or_plural(number, what, said):
    assert counted(number, what) == said
    assert chosen(number, what) == said.partition(" ")[2]
