import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roundtruth import manifest
from roundtruth.errors import UserError

pytest_plugins = ["tests.s3"]

REAL = (
    "birds-image-classification/output.manifest",
    "birds-object-detection/output.manifest",
    "cats-object-detection/input.manifest",
    "cats-object-detection/output.manifest",
    "docs-samples/classification_and_text.manifest",
    "docs-samples/segmentation_one_line.manifest",
)


@pytest.fixture
def given_lines(tmp_path):
    """The path of a manifest with these bytes."""

    def write(data: bytes) -> str:
        (tmp_path / "in.manifest").write_bytes(data)
        return str(tmp_path / "in.manifest")

    return write


def written(records, tmp_path) -> bytes:
    manifest.write(str(tmp_path / "out.manifest"), records)
    return (tmp_path / "out.manifest").read_bytes()


@pytest.mark.parametrize("name", REAL)
def test_real_manifests_survive_the_round_trip(data, tmp_path, name):
    path = data / "ground-truth-manifests" / name
    original = path.read_bytes()
    lines = original.splitlines()
    result = written(manifest.read(str(path)), tmp_path)
    assert [json.loads(line) for line in result.splitlines()] == [json.loads(line) for line in lines]
    for before, after in zip(lines, result.splitlines()):
        keys = [list(json.loads(line)) for line in (before, after)]
        assert keys[0] == keys[1], "the fields keep their order"
    if lines[0] == json.dumps(json.loads(lines[0]), separators=(",", ":")).encode():
        assert result.strip() == original.strip(), "a line in this form comes back byte for byte"


def test_every_real_manifest_is_tried(data):
    folder = data / "ground-truth-manifests"
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.manifest")) == sorted(REAL)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
any_record = st.builds(
    lambda fields, source, key: fields | {key: source},
    st.dictionaries(st.text().filter(lambda key: key != "source-ref"), json_values, max_size=4),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.sampled_from(["source", "source-ref"]),
)


@given(st.lists(any_record, min_size=1, max_size=5))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_field_comes_back(tmp_path, records):
    path = str(tmp_path / "any.manifest")
    manifest.write(path, records)
    back = list(manifest.read(path))
    assert back == records
    assert [json.dumps(record) for record in back] == [json.dumps(record) for record in records]  # 1 is not 1.0 or True


def test_a_line_is_read_as_it_comes(given_lines):
    path = given_lines(b'\xef\xbb\xbf{"source-ref":"a","n":1e2}\r\n {"source": "b"}\n\n  \n')
    assert list(manifest.read(path)) == [{"source-ref": "a", "n": 100.0}, {"source": "b"}]
    assert list(manifest.read(given_lines(b'{"source-ref":"a"}'))) == [{"source-ref": "a"}]
    assert list(manifest.read(given_lines('{"source-ref":"ä\u2028\x85.jpg"}'.encode()))) == [
        {"source-ref": "ä\u2028\x85.jpg"}
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"not json", "not JSON"),
        (b'{"source-ref":"a"', "not JSON"),
        (b'{"source-ref":"a"} {}', "not JSON"),
        (b'["a"]', "not a JSON object"),
        (b'{"label":1}', "source-ref"),
        (b'{"source-ref":""}', "source-ref"),
        (b'{"source-ref":7,"source":"a"}', "source-ref"),
        (b'{"source-ref":"a","source-ref":"b"}', "source-ref occurs twice"),
        (b'{"source-ref":"a","x":{"y":[{"z":1,"z":1}]}}', "z occurs twice"),
        (b'{"source-ref":"\xff"}', "not UTF-8"),
        (b'{"source-ref":"a","x":NaN}', "NaN"),
        (b'{"source-ref":"a","x":-Infinity}', "Infinity"),
        (b'{"source-ref":"a","x":1e999}', "1e999"),
        (b'{"source-ref":"a","x":' + b"[" * 100_000, "recursion"),
        (b'{"source-ref":"a","x":' + b"9" * 5000 + b"}", "digits"),
        (b'{"source-ref":"a\\ud800"}', "half of a character"),
        (b"", "blank"),
    ],
)
def test_a_bad_line_is_named(given_lines, line, words):
    path = given_lines(b'{"source-ref":"1"}\n{"source-ref":"2"}\n' + line + b'\n{"source-ref":"4"}\n')
    records = manifest.read(path)
    assert [next(records), next(records)] == [{"source-ref": "1"}, {"source-ref": "2"}]
    with pytest.raises(UserError) as error:
        list(records)
    assert str(error.value).startswith(f"{path}: line 3: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"\n", b" \n\n"])
def test_an_empty_manifest_is_refused(given_lines, content):
    path = given_lines(content)
    with pytest.raises(UserError, match=f"{path}: empty"):
        list(manifest.read(path))


def test_what_cannot_be_read_or_written_is_named(tmp_path):
    for path in (tmp_path / "nothing.manifest", tmp_path):
        with pytest.raises(UserError, match=str(path)):
            list(manifest.read(str(path)))
    with pytest.raises(UserError, match=str(tmp_path)):
        manifest.write(str(tmp_path), [{"source-ref": "a"}])


def test_a_video_sequence_file_is_no_manifest(data):
    path = data / "ground-truth-manifests/docs-samples/video_tracking_SeqLabel.json"
    with pytest.raises(UserError, match="line 1: no source-ref"):
        list(manifest.read(str(path)))


def test_writing_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "out.manifest"
    manifest.write(str(path), [{"source-ref": "old"}])
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON"):
            manifest.write(str(path), [{"source-ref": "new"}, {"source-ref": "x", "score": bad}])
    assert path.read_bytes() == b'{"source-ref":"old"}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_manifest_may_be_rewritten_in_place(tmp_path):
    path = str(tmp_path / "a.manifest")
    manifest.write(path, ({"source-ref": f"{i}"} for i in range(1000)))
    manifest.write(path, (record | {"seen": True} for record in manifest.read(path)))
    assert list(manifest.read(path)) == [{"source-ref": f"{i}", "seen": True} for i in range(1000)]


def test_manifests_on_s3(s3, proxy):
    path = f"{s3.url}/data/a.manifest"
    records = [{"source-ref": f"s3://bucket/{i}.jpg", "label": i} for i in range(2000)]
    proxy.fault("drop", "PUT", "a.manifest")
    manifest.write(path, records)
    proxy.fault("half", "GET", "a.manifest")
    assert list(manifest.read(path)) == records
    assert not proxy.faults
    with pytest.raises(UserError, match=f"{s3.url}/nothing"):
        list(manifest.read(f"{s3.url}/nothing"))


def test_paths_may_be_path_objects(tmp_path: Path):
    manifest.write(tmp_path / "a", [{"source": "text"}])
    assert list(manifest.read(tmp_path / "a")) == [{"source": "text"}]
