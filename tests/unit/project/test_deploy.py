"""The files in deploy/: valid, without secrets, and in step with the settings.

``compose_spec.json`` is the schema of the Compose Specification (Apache-2.0), as docker-compose 1.29.2 carries it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from rollq import Settings

DEPLOY = Path(__file__).parents[3] / "deploy"


@pytest.fixture
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return content


def test_compose_fits_the_schema(compose: dict[str, Any]) -> None:
    schema = json.loads(Path(__file__).with_name("compose_spec.json").read_text())
    validator = jsonschema.Draft201909Validator(schema)
    validator.validate(compose)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**compose, "services": {"worker": {"imagee": "x"}}})


def test_no_secret_is_written_down(compose: dict[str, Any]) -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    used = set(re.findall(r"\$\{(\w+)", text))
    assert set(re.findall(r"\$\{(\w+):\?", text)) == used, "each variable says what is missing"
    example = (DEPLOY / ".env.example").read_text()
    assert set(re.findall(r"^(\w+)=", example, re.M)) == used | {"COMPOSE_PROJECT_NAME"}
    assert not re.findall(r"^\w*(?:PASSWORD|KEY)=.+", example, re.M)


def test_every_server_is_watched_and_stays_inside(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if "build" not in service or name == "mlflow":
            assert service["healthcheck"]["test"], name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name


def test_settings_exist_and_a_worker_may_finish(compose: dict[str, Any]) -> None:
    worker = compose["services"]["worker"]
    names = [name.removeprefix("ROLLQ_").lower() for name in worker["environment"] if name.startswith("ROLLQ_")]
    assert set(names) <= set(Settings.model_fields)
    grace = int(worker["stop_grace_period"].removesuffix("s"))
    assert grace > float(worker["environment"]["ROLLQ_DRAIN_SECONDS"])


def test_the_image_copies_what_exists() -> None:
    root = DEPLOY.parent
    for line in (DEPLOY / "Containerfile").read_text().splitlines():
        if line.startswith("COPY"):
            for source in line.split()[1:-1]:
                assert (root / source).exists(), source


def test_every_health_check_is_one_line_for_a_shell(compose: dict[str, Any]) -> None:
    """Some engines split the items of CMD at blanks."""
    for name, service in compose["services"].items():
        if "healthcheck" in service:
            kind, *line = service["healthcheck"]["test"]
            assert (kind, len(line)) == ("CMD-SHELL", 1), name


def test_the_driver_of_postgresql_is_named_and_installed(compose: dict[str, Any]) -> None:
    """SQLAlchemy's default driver is another one in each of its versions."""
    found = re.findall(r"postgresql(\S*?)://", (DEPLOY / "compose.yaml").read_text())
    assert found == ["+psycopg2"]
    assert "psycopg2" in (DEPLOY / "Containerfile").read_text()


def test_nothing_of_ours_runs_as_root(compose: dict[str, Any]) -> None:
    content = (DEPLOY / "Containerfile").read_text()
    stages = re.split(r"^FROM .* AS (\w+)$", content, flags=re.M)
    users = {
        name: re.findall(r"^USER (\w+)", text, re.M) for name, text in zip(stages[1::2], stages[2::2], strict=True)
    }
    assert users == {"base": [], "mlflow": ["rollq"], "rollq": ["rollq"]}
    assert not [name for name, service in compose["services"].items() if "build" in service and "user" in service]


def test_the_image_has_what_every_component_needs() -> None:
    content = (DEPLOY / "Containerfile").read_text()
    assert re.findall(r"'\.\[(.*)\]'", content) == ["sklearn,report"]
