"""What is deployed can be loaded, and a person can fill in its form."""

import re
from pathlib import Path

import pytest
import yaml
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema

from infra.deploy import pools
from infra.local import POOLS
from roundtruth.spec import JobSpec

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "deployments/prefect.yaml").read_text()
DEPLOYMENTS = {entry["name"]: entry for entry in yaml.safe_load(TEXT)["deployments"]}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_an_entrypoint_is_a_module_and_its_flow_has_the_name_that_runs_are_started_by(name):
    entry = DEPLOYMENTS[name]
    assert re.fullmatch(r"[a-z_.]+:[a-z_]+", entry["entrypoint"])
    flow = load_flow_from_entrypoint(entry["entrypoint"])
    assert isinstance(flow, Flow)
    assert flow.name == name


def test_local_workers_serve_the_pools_of_the_deployments():
    assert sorted(POOLS) == pools() == ["cpu", "gpu"]


def test_no_path_or_host_of_one_machine_is_named():
    for path in (ROOT / "deployments").rglob("*.yaml"):
        words = re.findall(r"[^\s\"'`]+", re.sub(r"#.*", "", path.read_text()))
        assert not [word for word in words if word.startswith("/") or "localhost" in word or "127.0.0.1" in word]


def test_a_sweep_is_never_beside_another():
    limit = DEPLOYMENTS["advance"]["concurrency_limit"]
    assert limit == {"limit": 1, "collision_strategy": "CANCEL_NEW"}
    assert DEPLOYMENTS["advance"]["schedules"] == [{"interval": 300}]


@pytest.mark.parametrize("path", sorted((ROOT / "deployments/examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_is_a_job_file(path):
    assert JobSpec.from_file(path)


def test_prefects_form_can_show_every_field_of_a_job():
    """It renders no oneOf, and would ask for JSON instead."""
    schema = parameter_schema(load_flow_from_entrypoint("flows.labeling_job:labeling_job")).model_dump()

    def keys(node):
        if isinstance(node, dict):
            yield from node
            for value in node.values():
                yield from keys(value)
        elif isinstance(node, list):
            for value in node:
                yield from keys(value)

    assert not {"oneOf", "allOf", "discriminator", "prefixItems"} & set(keys(schema))
    workforce = schema["definitions"]["JobSpec"]["properties"]["workforce"]["anyOf"]
    assert [choice["title"] for choice in workforce] == ["Simulated", "Files", "Page"]
