import pytest

from roundtruth.errors import Mistakes, UserError, refuse_all


def test_a_message_is_never_longer_than_1000_characters_and_keeps_its_end():
    message = str(UserError(f"a.csv: line 3: {'x' * 5000}; correct it"))
    assert len(message) <= 1000
    assert message.startswith("a.csv: line 3: x")
    assert message.endswith("x; correct it")


def test_one_mistake_is_named_and_several_are_counted():
    mistakes = Mistakes("a.csv")
    mistakes.refuse()
    mistakes.add("line 2", "no label")
    with pytest.raises(UserError, match=r"^a\.csv: line 2: no label$"):
        mistakes.refuse()
    mistakes.add("line 9", "no worker")
    with mistakes.collecting():
        raise UserError("a.csv: line 11: no label")
    with pytest.raises(UserError, match=r"^a\.csv: 3 mistakes: line 2, line 11: no label; line 9: no worker$"):
        mistakes.refuse()


def test_the_first_ten_of_many_are_shown():
    with pytest.raises(UserError) as error:
        refuse_all(range(0, 600, 2), lambda at: f"/a: b/c.csv: line {at}: field x: no number, {at}; take it out")
    message = str(error.value)
    assert message.startswith("/a: b/c.csv: 300 mistakes: line 0: field x: no number, 0; take it out; line 2: field x")
    assert message.endswith("; and 290 more")
    assert all(f"line {at}: field x: no number, {at}; take it out" in message for at in range(0, 20, 2))
    refuse_all([], lambda at: "")


@pytest.mark.parametrize(("words", "shown"), [(1, 10), (15, 8), (100, 1)])
def test_of_long_ones_as_many_are_shown_as_fit_and_each_says_what_to_do(words, shown):
    with pytest.raises(UserError) as error:
        refuse_all(range(0, 600, 2), lambda at: f"/a: b/c.csv: line {at}: field x: {'long ' * words}{at}; take it out")
    message = str(error.value)
    assert message.startswith("/a: b/c.csv: 300 mistakes: line 0: field x: long")
    assert message.endswith(f"long {2 * shown - 2}; take it out; and {300 - shown} more")
    assert message.count("; take it out; ") == message.count("line ") == shown
    assert len(message) <= 1000


def test_mistakes_at_places_that_name_no_file_begin_with_their_count():
    with pytest.raises(UserError, match=r"^2 mistakes: page 4, page 5: no text$"):
        refuse_all([4, 5], lambda at: f"page {at}: no text")


def test_mistakes_in_several_files_begin_with_their_folder():
    names = ["a/1.xml", "a/2.xml", "b.xml"]
    with pytest.raises(
        UserError, match=r"^/x/y: 3 mistakes: a/1\.xml: line 7, a/2\.xml: line 7, b\.xml: line 7: no name$"
    ):
        refuse_all(range(3), lambda at: f"/x/y/{names[at]}: line 7: no name")
