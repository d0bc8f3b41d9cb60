import json

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from roundtruth.delivery import with_fields

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
RECORDS = st.dictionaries(st.text() | st.sampled_from(["label", "label-metadata", "labels"]), VALUES, max_size=4)
FIELDS = st.fixed_dictionaries({"label-metadata": VALUES}, optional={"label": VALUES})


@given(
    st.lists(st.tuples(RECORDS, st.none() | FIELDS, st.sampled_from([None, 2]), st.booleans()), min_size=1, max_size=5)
)
def test_a_line_is_the_input_line_with_the_label_as_a_dict_would_have_it(cases):
    records = [
        json.dumps({"source-ref": "a.jpg"} | record, indent=indent, ensure_ascii=ascii).replace("\n", "")
        for record, _, indent, ascii in cases
    ]
    fields = [None if new is None else json.dumps(new)[1:-1] for _, new, _, _ in cases]
    lines = with_fields(pd.Series(records, dtype="str"), pd.Series(fields, dtype="str"), "label").to_pylist()
    expected = [json.loads(old) | (new or {}) for old, (_, new, _, _) in zip(records, cases)]
    assert [list(json.loads(line).items()) for line in lines] == [list(record.items()) for record in expected]
    assert [line for line, new in zip(lines, fields) if new is None] == [
        old for old, new in zip(records, fields) if new is None
    ]


def test_a_line_that_gets_no_label_stays_as_it_was_byte_for_byte():
    text = '{ "source-ref" : "b\\u00e4r.jpg", "n": 1.50 }'
    assert with_fields(pd.Series([text], dtype="str"), pd.Series([None], dtype="str"), "label").to_pylist() == [text]


def test_a_failure_of_an_earlier_job_gives_way_to_the_label():
    old = '{"source-ref":"a.jpg","label-metadata":{"failure-reason":"nobody answered"},"more":2}'
    line = with_fields(
        pd.Series([old], dtype="str"), pd.Series(['"label":3,"label-metadata":{"type":"t"}'], dtype="str"), "label"
    )
    assert line.to_pylist() == ['{"source-ref":"a.jpg","label-metadata":{"type":"t"},"more":2,"label":3}']
