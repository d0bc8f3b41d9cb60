"""The compose file is one, by the Compose Specification's own schema, and starts what `make up` starts."""

import json
import re
import shlex
from pathlib import Path

import jsonschema
import pytest
import yaml

from infra.deploy import pools
from roundtruth.cli import parser, serve
from roundtruth.serve import links

ROOT = Path(__file__).resolve().parents[2]
# schema/compose-spec.json of github.com/compose-spec/compose-spec at 170098b (Apache-2.0)
SCHEMA = json.loads(Path(__file__).with_name("compose-spec.json").read_text())
COMPOSE = yaml.safe_load((ROOT / "infra/compose.yaml").read_text())
SERVICES = COMPOSE["services"]


def test_it_is_a_compose_file():
    jsonschema.Draft7Validator(SCHEMA).validate(COMPOSE)


@pytest.mark.parametrize(
    "broken",
    [{"image": 3}, {"command": {}}, {"depends_on": {"server": {"condition": "service_up"}}}, {"enviroment": {}}],
)
def test_the_schema_would_tell(broken):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(SCHEMA).validate({"services": {"server": broken}})


def test_what_it_refers_to_is_there():
    for service in SERVICES.values():
        assert set(service.get("depends_on", ())) <= set(SERVICES)
        named = [volume.partition(":")[0] for volume in service.get("volumes", ())]
        assert set(named) <= set(COMPOSE["volumes"])
        assert {config["source"] for config in service.get("configs", ())} <= set(COMPOSE["configs"])
        if build := service.get("build"):
            assert (ROOT / "infra" / build["context"] / build["dockerfile"]).is_file()


def test_each_pool_has_a_worker_and_only_the_gpus_has_a_gpu():
    served = {
        service["command"][service["command"].index("--pool") + 1]: service
        for service in SERVICES.values()
        if "--pool" in service.get("command", ())
    }
    assert sorted(served) == pools()
    devices = served["gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    assert "deploy" not in served["cpu"]


def test_the_server_keeps_its_runs_in_postgres():
    url = SERVICES["server"]["environment"]["PREFECT_API_DATABASE_CONNECTION_URL"]
    assert url.startswith("postgresql+asyncpg://")
    assert SERVICES["server"]["depends_on"]["database"]["condition"] == "service_healthy"


def test_the_store_s_settings_are_json():
    text = COMPOSE["configs"]["store"]["content"]
    assert json.loads(text)["identities"][0]["credentials"][0].keys() == {"accessKey", "secretKey"}


def test_the_page_serves_the_jobs_of_the_workers():
    """Its command is one that the command line takes, with the folder of the workers and the open port."""
    page = SERVICES["page"]
    program, *words = [with_defaults(word) for word in page["command"]]
    args = parser().parse_args(words)
    assert (program, args.verb) == ("roundtruth", serve)
    assert args.jobs == with_defaults(SERVICES["cpu-worker"]["environment"]["ROUNDTRUTH_JOBS"])
    assert page["ports"] == [f"127.0.0.1:{args.port}:{args.port}"]
    assert args.url == f"http://127.0.0.1:{args.port}"
    assert f":{args.port}/static/style.css" in page["healthcheck"]["test"][-1]
    assert {"PREFECT_API_URL", links.KEY} <= page["environment"].keys()


def test_every_secret_has_to_be_set():
    given = {name: value for service in SERVICES.values() for name, value in service.get("environment", {}).items()}
    for name in ("POSTGRES_PASSWORD", "AWS_SECRET_ACCESS_KEY", links.KEY):
        assert given[name].startswith(f"${{{name}:?")
        assert name in (ROOT / "docs/servers.md").read_text()


def with_defaults(text: str) -> str:
    """What Compose makes of a text where no variable is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def test_the_image_holds_the_locked_versions_and_what_it_copies():
    lines = (ROOT / "infra/Dockerfile").read_text().splitlines()
    copied = [word for line in lines if line.startswith("COPY") for word in shlex.split(line)[1:-1]]
    assert all((ROOT / path).exists() for path in copied)
    assert any("-r requirements.lock" in line for line in lines)
    kept = (ROOT / "infra/Dockerfile.dockerignore").read_text().splitlines()
    assert all((ROOT / path[1:]).exists() for path in kept if path.startswith("!"))
