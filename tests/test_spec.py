import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import jsonschema
import pytest
import yaml
from pydantic import Field, ValidationError

from roundtruth import workforce
from roundtruth.errors import UserError
from roundtruth.settings import Strict
from roundtruth.spec import JobSpec, located

GOOD = """\
name: birds
kind: object-detection
data: input.manifest
classes: [bird]
output: jobs/birds
target:
  quality: 0.6
workforce:
  backend: simulated
  truth: truth.manifest
  noise: 0
prices: {per_item: 0.08}
"""


@pytest.fixture
def write(tmp_path):
    def written(text: str):
        path = tmp_path / "job.yaml"
        path.write_text(text)
        return path

    return written


def told(path) -> str:
    with pytest.raises(UserError) as caught:
        JobSpec.from_file(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        # misspelt keys
        ("classes:", "clases:", "line 4: clases: there is no such key; do you mean classes?"),
        ("  noise: 0", "  noize: 0", "line 11: workforce.noize: there is no such key; do you mean noise?"),
        ("{per_item", "{per_itm", "line 12: prices.per_itm: there is no such key; do you mean per_item?"),
        ("name: birds", "name: birds\nanswers: {leest: 1}", "line 2: answers.leest: there is no such key; do you mean"),
        ("name: birds", "name: birds\nquality: 0.6", "line 2: quality: there is no such key here; it belongs under"),
        ("  noise: 0", "  budget: 3", "line 11: workforce.budget: there is no such key here; it belongs at the top"),
        ("name: birds", "name: birds\nzzz: 1", "line 2: zzz: there is no such key; take it out"),
        # wrong types
        ("classes: [bird]", "classes: bird", "line 4: classes: Input should be a valid list, not 'bird'"),
        ("classes: [bird]", "classes: [bird, [a]]", "line 4: classes.1: Input should be a valid string, not \"['a']\""),
        ("classes: [bird]", "classes: [bird, [yes]]", "line 4: classes.1: Input should be a valid string"),
        ("quality: 0.6", "quality: good", "line 7: target.quality: Input should be a valid number, not 'good'"),
        ("noise: 0", "noise: yes", "line 11: workforce.noise: Input should be a valid number, not 'True'"),
        ("name: birds", "name: birds\nseed: 1.5", "line 2: seed: Input should be a valid integer, not '1.5'"),
        ("target:\n  quality: 0.6", "target: 0.6", "line 6: target: it holds other keys: quality, confidence, "),
        ("name: birds", "name: birds\nanswers: 3", "line 2: answers: it holds other keys: least, most, sure; write"),
        ("name: birds", "name: {a: b}", "line 1: name: Input should be a valid string"),
        ("output: jobs/birds", "output: 3", "line 5: output: Input should be a valid string, not '3'"),
        # out of range
        ("quality: 0.6", "quality: 1", "line 7: target.quality: no check of a part can prove a quality of 1"),
        ("quality: 0.6", "certificate: none", "line 7: target.certificate: the plan certified has the certificate"),
        ("quality: 0.6", "quality: 0.9999999999999", "line 7: target.quality: no check of a part can prove"),
        ("quality: 0.6", "quality: 1.0e-300", "line 7: target.quality: 1e-300 promises nothing"),
        ("quality: 0.6", "confidence: 0.9999999999999", "line 7: target.confidence: 0.9999999999999 is too close to 1"),
        ("quality: 0.6", "quality: 1.6", "line 7: target.quality: Input should be less than or equal to 1, not '1.6'"),
        ("noise: 0", "answers_per_item: 0", "line 11: workforce.answers_per_item: "),
        ("per_item: 0.08", "per_item: -1", "line 12: prices.per_item: "),
        ("per_item: 0.08", "per_item: 1.0e+308", "line 12: prices.per_item: Input should be less than or equal to 1"),
        ("name: birds", "name: birds\nbudget: 1.0e+308", "line 2: budget: Input should be less than or equal to "),
        ("noise: 0", f"answers_per_item: 1{'0' * 400}", "line 11: workforce.answers_per_item: "),
        ("per_item: 0.08", "per_item: .inf", "line 12: prices.per_item: Input should be a finite number"),
        ("name: birds", "name: birds\nbudget: 0", "line 2: budget: Input should be greater than 0"),
        ("name: birds", "name: birds\nbudget: .nan", "line 2: budget: "),
        ("classes: [bird]", "classes: []", "line 4: classes: "),
        ("classes: [bird]", "classes: [a, b, a]", "line 4: classes.2: class a is there twice; take one out"),
        ("classes: [bird]", "classes: ['a', ' ']", "line 4: classes.1: the class has no name; give it one"),
        ("classes: [bird]", "classes: [b, 'b ']", "line 4: classes.1: class b is there twice"),
        ("classes: [bird]", 'classes: ["\\ud800"]', "line 4: classes.0: the class is no text"),
        ("output: jobs/birds", "output: /", "line 5: output: / holds much else; give the job a folder of its own"),
        ("output: jobs/birds", "output: ~", "line 5: output: Input should be a valid string"),
        ("output: jobs/birds", "output: ~/.", f"line 5: output: {Path.home()} holds much else"),
        ("output: jobs/birds", 'output: "a\\0b"', "line 5: output: "),
        ("data: input.manifest", "data: s3://", "line 3: data: s3:// names no bucket; write s3://bucket/prefix"),
        ("output: jobs/birds", "output: s3:///a", "line 5: output: s3:///a names no bucket; write s3://bucket/prefix"),
        ("output: jobs/birds", f"output: jobs/{'x' * 256}/a", "line 5: output: xxx"),
        ("name: birds", "name: ''", "line 1: name: "),
        ("name: birds", "name: birds\nattribute: source-ref", "line 2: attribute: this name has a meaning of its own"),
        ("name: birds", "name: birds\nattribute: a b", "line 2: attribute: "),
        # what there is not
        ("object-detection", "segmentation", "line 2: kind: there is no kind 'segmentation'; there are "),
        ("backend: simulated", "backend: mturk", "line 8: workforce: name a backend that is there: simulated or files"),
        ("  backend: simulated\n", "", "line 8: workforce: name a backend that is there: simulated or files"),
        ("data: input.manifest", "data: https://x/y", "line 3: data: https://x/y is neither a path nor s3://"),
        ("  truth: truth.manifest\n", "", "line 8: workforce: give either truth (a manifest) or answers (a CSV)"),
        ("noise: 0", "answers: a.csv", "line 8: workforce: give either truth (a manifest) or answers (a CSV)"),
        # keys that are missing or there twice
        ("name: birds\n", "", "line 1: name: this key is missing; add it"),
        ("classes: [bird]\n", "", "line 1: classes: this key is missing; add it"),
        ("data: input.manifest", "data: a\ndata: b", "line 4: data is there twice; keep one"),
        ("noise: 0", "noise: 0\n  noise: 1", "line 12: noise is there twice; keep one"),
        # not YAML, or not such YAML
        ("classes: [bird]", "classes: [bird", "line 5: not YAML: "),
        ("name: birds", "name: 'birds", "line "),
        ("name: birds", "\tname: birds", "line 1: not YAML: "),
        ("classes: [bird]", "seed: 2026-13-45\nclasses: [bird]", "line 1: not YAML: month must be in 1..12"),
        ("name: birds", "name: !!python/name:os.system", "line 1: not YAML: "),
        ("name: birds", "? [a]\n: b", "line 1: not YAML: "),
        ("name: birds", "name: birds\n1: 2", "line "),
        ("target:", "target: &a [*a]\nbudget:", "2 mistakes: line 6: target: it holds other keys"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_by_line_and_field(old, new, expected, write):
    assert GOOD.count(old) == 1
    assert told(write(GOOD.replace(old, new))).startswith(expected)


def test_all_mistakes_are_counted_and_told_in_the_order_of_the_file(write, tmp_path, monkeypatch):
    """Also those that depend on other keys, each once, and a misspelt key is not a missing one besides."""
    bad = GOOD.replace("[bird]", "[bird, 'bird ', '']").replace("noise: 0", "noize: 0\n  delay: -1")
    bad = bad.replace("output:", "outptu:").replace("{per_item: 0.08}", "{per_item: -1}")
    bad = bad.replace("quality: 0.6", "quality: 1\n  certificate: none") + "weights: 7\nboxes: {unit: inch}\n"
    monkeypatch.chdir(tmp_path)  # a long path would leave less room for the mistakes
    assert told(write(bad).relative_to(tmp_path)) == (
        "10 mistakes: line 4: classes.1: class bird is there twice; take one out; "
        "line 4: classes.2: the class has no name; give it one, or take it out; "
        "line 5: outptu: there is no such key; do you mean output?; "
        "line 7: target.quality: no check of a part can prove a quality of 1; lower target.quality a little, or say "
        "plan: ground-truth; "
        "line 8: target.certificate: the plan certified has the certificate holdout, not none; take target.certificate "
        "out, or choose the other plan; "
        "line 12: workforce.noize: there is no such key; do you mean noise?; "
        "line 13: workforce.delay: Input should be greater than or equal to 0, not '-1'; "
        "line 14: prices.per_item: Input should be greater than or equal to 0, not '-1'; "
        "line 15: weights: Input should be a valid string, not '7'; "
        "line 16: boxes.unit: Input should be 'pixel', 'relative' or 'percent', not 'inch'"
    )


def test_each_key_that_is_there_twice_is_told(write):
    twice = GOOD.replace("noise: 0", "noise: 0\n  noise: 1") + "name: a\n"
    assert (
        told(write(twice))
        == "2 mistakes: line 12: noise is there twice; keep one; line 14: name is there twice; keep one"
    )


def test_the_good_one_is_good(write, tmp_path):
    spec = JobSpec.from_file(write(GOOD))
    assert spec.data == str(tmp_path / "input.manifest")
    assert spec.output == str(tmp_path / "jobs/birds")
    assert spec.workforce.truth == str(tmp_path / "truth.manifest")
    assert (spec.target.quality, spec.target.confidence, spec.plan, spec.seed) == (0.6, 0.95, "certified", 0)
    assert (spec.prices.per_item, spec.prices.per_answer, spec.prices.per_auto_label) == (0.08, 0.036, 0.08)
    assert (spec.budget, spec.pool, spec.weights) == (None, None, None)


@pytest.mark.parametrize(("text", "expected"), [("", "line 1: "), ("[1, 2]", "line 1: "), ("name", "line 1: ")])
def test_a_job_file_is_a_mapping(text, expected, write):
    assert told(write(text)).startswith(expected + "a job file is a mapping")


def test_a_job_file_that_cannot_be_read(tmp_path):
    assert "no such file" in told(tmp_path / "none.yaml")
    assert "directory" in told(tmp_path)
    (tmp_path / "latin.yaml").write_bytes("name: Vögel".encode("latin-1"))
    assert "line 1: the job file cannot be read: not UTF-8" in told(tmp_path / "latin.yaml")
    (tmp_path / "items.yaml").write_bytes(b"# a comment\n" * 100_000)
    assert told(tmp_path / "items.yaml").startswith("over 1 MB, so this is no job file")


def test_what_is_merged_may_be_said_again(write):
    text = GOOD + "<<: {seed: 4, budget: 5}\nseed: 6\n"
    spec = JobSpec.from_file(write(text))
    assert (spec.seed, spec.budget) == (6, 5)


def test_yaml_too_deep_to_read(write):
    assert told(write("a: " + "[" * 5000)).startswith("line ")


def test_the_target_is_the_kinds_own_where_none_is_named(write):
    for kind, quality in (("object-detection", 0.6), ("image-classification", 0.95)):
        text = GOOD.replace("object-detection", kind).replace("  quality: 0.6", "  confidence: 0.9")
        assert JobSpec.from_file(write(text)).target.quality == quality


def test_the_plan_says_whether_something_is_promised(write):
    for plan, certificate in (("", "holdout"), ("plan: certified\n", "holdout"), ("plan: ground-truth\n", "none")):
        assert JobSpec.from_file(write(GOOD + plan)).target.certificate == certificate
    for plan, wrong in (("", "none"), ("plan: ground-truth\n", "holdout")):
        text = GOOD.replace("  quality: 0.6", f"  quality: 0.6\n  certificate: {wrong}")
        assert "take target.certificate out, or choose the other plan" in told(write(text + plan))
    sure = GOOD.replace("quality: 0.6", "quality: 1")
    assert "say plan: ground-truth" in told(write(sure))
    assert JobSpec.from_file(write(sure + "plan: ground-truth\n")).target.quality == 1


def test_numbers_may_be_names(write):
    spec = JobSpec.from_file(write(GOOD.replace("[bird]", "[0, 1]").replace("name: birds", "name: 7")))
    assert (spec.name, spec.classes) == ("7", ["0", "1"])


def test_numbers_are_names_as_they_are_written(write):
    spec = JobSpec.from_file(
        write(GOOD.replace("[bird]", "[010, 8, 1.50, 1e3, 1_0]").replace("name: birds", "name: 007"))
    )
    assert (spec.name, spec.classes) == ("007", ["010", "8", "1.50", "1e3", "1_0"])


def test_a_list_of_classes_that_holds_itself_is_refused(write):
    assert told(write(GOOD.replace("[bird]", "&x [*x]"))).startswith(
        "line 4: classes.0: Input should be a valid string"
    )


def test_class_names_are_the_text_of_the_file_without_white_space_around_it(write):
    spec = JobSpec.from_file(write(GOOD.replace("[bird]", "[yes, No, null, ~, 12:30, 2020-01-01, 'cat ', cafe\u0301]")))
    assert spec.classes == ["yes", "No", "null", "~", "12:30", "2020-01-01", "cat", "caf\xe9"]


def test_the_home_of_nobody_is_a_folder_like_any_other(write, tmp_path):
    spec = JobSpec.from_file(write(GOOD.replace("input.manifest", "~nobody-of-that-name/a.manifest")))
    assert spec.data == f"{tmp_path}/~nobody-of-that-name/a.manifest"


def test_what_is_written_is_read_again(write, tmp_path):
    full = GOOD + (
        "attribute: a\nplan: ground-truth\nbudget: 3\nlearner: my.own:Learner\npool: gpu\nweights: w.pth\nseed: 4\n"
    )
    for text in (GOOD, full, full.replace("weights: w.pth", "weights: none"), full.replace("truth:", "answers:")):
        spec = JobSpec.from_file(write(text))
        as_yaml = yaml.safe_dump(spec.model_dump(mode="json"))
        assert JobSpec.from_file(write(as_yaml)) == spec
        assert JobSpec.model_validate(spec.model_dump(mode="json")) == spec
        assert JobSpec.model_validate_json(spec.model_dump_json()) == spec
    files = GOOD[: GOOD.index("workforce")] + "workforce: {backend: files}\n"
    spec = JobSpec.from_file(write(files))
    assert (spec.workforce.answers_per_item, spec.asking) == (None, (2, 5, 0.98))
    assert JobSpec.model_validate(json.loads(spec.model_dump_json())) == spec


def test_s3_absolute_and_home_paths_stay_as_they_are(write, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    text = GOOD.replace("jobs/birds", "s3://bucket/jobs").replace("input.manifest", "/data/in.manifest")
    spec = JobSpec.from_file(write(text.replace("truth.manifest", "~/truth.manifest")))
    assert (spec.output, spec.data) == ("s3://bucket/jobs", "/data/in.manifest")
    assert spec.workforce.truth == "/home/somebody/truth.manifest"


@pytest.mark.parametrize("key", ["data", "output", "weights"])
def test_a_relative_path_is_refused_where_there_is_no_job_file(key):
    given = {
        "name": "a", "kind": "image-classification", "data": "/d", "classes": ["x"], "output": "/o",
        "workforce": {"backend": "files"},
    }  # fmt: skip
    JobSpec.model_validate(given)
    with pytest.raises(ValidationError, match="no job file it could be relative to"):
        JobSpec.model_validate(given | {key: "some/where"})
    with pytest.raises(ValidationError, match="no job file"):
        JobSpec.model_validate(given | {"workforce": {"backend": "simulated", "truth": "t.manifest"}})


def test_a_spec_does_not_change(write):
    spec = JobSpec.from_file(write(GOOD))
    with pytest.raises(ValidationError):
        spec.budget = 3.0
    with pytest.raises(ValidationError):
        spec.prices.per_item = 3.0


def test_a_mistake_in_what_a_key_names_gets_the_keys_line(write):
    path = write(GOOD)
    assert str(located(UserError("output: no"), path)) == f"{path}: line 5: output: no"
    assert str(located(UserError("learner: no"), path)) == f"{path}: line 1: learner: no"  # by default
    assert str(located(UserError("a.csv: line 3: no"), path)) == "a.csv: line 3: no"


def test_the_form_has_a_word_for_every_field():
    schema = JobSpec.model_json_schema()
    for part in [schema, *schema["$defs"].values(), *schema["properties"]["workforce"]["anyOf"]]:
        for name, field in part["properties"].items():
            assert field.get("description") or "$ref" in field or name == "backend", name
            buttons = [kind.get("title") for kind in field.get("anyOf", [])]
            assert len(buttons) == len(set(buttons)), (name, buttons)


def test_a_workforce_that_is_registered_later_is_in_the_form(monkeypatch):
    """With its own title, and without losing the parts that its settings have."""

    class Place(Strict):
        """Where it is."""

        port: int = Field(8080, description="Its port.")

    class Settings(Strict):
        """People elsewhere."""

        backend: Literal["some-people"] = "some-people"
        answers_per_item: int = Field(1, description="How many.")
        home: Place = Field(Place(), description="Where they live.")
        work: Place = Field(Place(), description="Where they work.")

    monkeypatch.setitem(workforce.BACKENDS, "some-people", "some_people")
    monkeypatch.setitem(sys.modules, "some_people", SimpleNamespace(Settings=Settings, PATHS=()))
    schema = JobSpec.model_json_schema()
    people = schema["properties"]["workforce"]["anyOf"]
    assert [part["title"] for part in people] == ["Simulated", "Files", "Page", "Some people"]
    assert people[3]["properties"]["home"]["$ref"] == "#/$defs/Place"
    assert "oneOf" not in json.dumps(schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    given = {
        "name": "a", "kind": "image-classification", "data": "/d", "classes": ["x"], "output": "/o",
        "workforce": {"backend": "some-people", "home": {"port": 1}},
    }  # fmt: skip
    spec = JobSpec.model_validate(given)
    assert (spec.workforce.home.port, spec.workforce.work.port) == (1, 8080)
    assert JobSpec.model_validate_json(spec.model_dump_json()) == spec
    jsonschema.validate(spec.model_dump(mode="json"), schema)
