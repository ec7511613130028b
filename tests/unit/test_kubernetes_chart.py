"""The platform's chart: Helm renders it, Kubernetes takes every object, and the values for the hub fit to it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.kubernetes_parts import assert_is_as_written, assert_kubernetes_takes_it

ROOT = Path(__file__).parents[2]
HELM = ROOT / "hub" / "helm"
EXPECTED = Path(__file__).with_name("kubernetes")
#: Helm's Go runtime stays out of the tests' process
RENDER = """
import json, sys
from helm_python import Chart, lint
path, values = sys.argv[1], json.loads(sys.argv[2])
try:
    report = lint(path, values, strict=True)
    with Chart.load(path) as chart:
        chart.validate_schema(values)
        print(json.dumps({"templates": chart.render(values, name="orrery", namespace="lab"), "lint": report["errors"]}))
except Exception as error:
    print(json.dumps({"error": str(error)}))
"""
IMAGE = {"repository": "registry.example.org/orrery/platform"}
FULL: dict[str, Any] = {
    "image": {**IMAGE, "tag": "1", "pullSecrets": ["registry"]},
    "hub": {"baseUrl": "/ml/", "adminUsers": ["ann"]},
    "instanceTypes": {"cpu-small": {"cores": 2, "memory_bytes": "8G"}},
    "limits": {"everyone": {"jobs": 2}},
    "settings": {"ORRERY_TRASH_DAYS": "30"},
    "objects": {"url": "s3://orrery", "endpointUrl": "https://s3.example.org", "region": "eu-1"},
    "storage": {"size": "1Ti", "className": "fast"},
    "nodeSelector": {"pool": "platform"},
    "tolerations": [{"key": "platform", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "networkPolicy": {"ingressFrom": [{"namespaceSelector": {"matchLabels": {"team": "ml"}}}]},
    "postgres": {"enabled": True, "className": "fast"},
}


def helm(values: dict[str, Any]) -> dict[str, Any]:
    if importlib.util.find_spec("helm_python") is None:
        pytest.skip("Helm's library is not installed: it has no package for this machine")
    command = [sys.executable, "-c", RENDER, str(HELM / "orrery"), json.dumps(values)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def render(values: dict[str, Any]) -> list[dict[str, Any]]:
    rendered = helm(values)
    assert rendered.get("error") is None and rendered["lint"] == []
    texts = [text for _, text in sorted(rendered["templates"].items())]
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


@pytest.mark.parametrize(("name", "values"), [("default", {"image": IMAGE}), ("full", FULL)])
def test_the_chart_makes_these_objects(name: str, values: dict[str, Any]) -> None:
    objects = render(values)
    assert_is_as_written(objects, EXPECTED / f"chart-{name}.json")
    for manifest in objects:
        assert_kubernetes_takes_it(manifest)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "image.repository is empty; say where the platform's image is"),
        ({"image": IMAGE, "storge": {}}, "additional properties 'storge' not allowed"),
        ({"image": IMAGE, "hub": {"baseUrl": "/ml"}}, "does not match pattern"),
        ({"image": IMAGE, "settings": {"ORRERY_TRASH_DAYS": 30}}, "want string"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(values: dict[str, Any], words: str) -> None:
    assert words in helm(values)["error"]


def test_no_pod_of_the_chart_is_root_or_has_a_token() -> None:
    pods = [each["spec"]["template"]["spec"] for each in render(FULL) if each["kind"] in ("Deployment", "StatefulSet")]
    assert len(pods) == 2
    for pod in pods:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_the_platforms_settings_are_what_the_platform_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    from orrery.api.hub_oauth import HubSettings
    from orrery.controllers.settings import Settings

    (settings,) = [each["data"] for each in render(FULL) if each["kind"] == "ConfigMap"]
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    read = Settings()
    assert read.admins == ["ann"]
    assert read.instance_types["cpu-small"].memory_bytes == 8 << 30
    assert read.limits.everyone.jobs == 2
    assert (read.trash_days, read.objects_url) == (30, "s3://orrery")
    hub = HubSettings.from_environment({**settings, "JUPYTERHUB_API_TOKEN": "token"})
    assert (hub.api_url, hub.prefix, hub.hub_url) == ("http://hub:8081/ml/hub/api", "/ml/services/orrery/", "/ml/hub/")


def test_the_hubs_values_name_the_charts_service_and_secret_and_its_code_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from traitlets.config import Config

    values = yaml.safe_load((HELM / "jupyterhub-values.yaml").read_text())
    objects = render({"image": IMAGE})
    (service,) = [each for each in objects if each["kind"] == "Service"]
    environment: dict[str, Any] = values["hub"]["extraEnv"]
    url = f"http://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    assert environment["ORRERY_PLATFORM_URL"] == url
    selector = {"app.kubernetes.io/name": service["spec"]["selector"]["app.kubernetes.io/name"]}
    rules = [values[part]["networkPolicy"]["egress"] for part in ("hub", "singleuser")]
    for rule in [*rules, values["proxy"]["chp"]["networkPolicy"]["egress"]]:
        assert rule[0]["to"][0]["podSelector"]["matchLabels"] == selector
    (platform,) = [each for each in objects if each["kind"] == "Deployment"]
    shared = {
        entry["name"]: entry["valueFrom"]["secretKeyRef"]
        for entry in platform["spec"]["template"]["spec"]["containers"][0]["env"]
        if "valueFrom" in entry
    }
    assert environment["ORRERY_HUB_KEY"]["valueFrom"]["secretKeyRef"] == shared["ORRERY_HUB_KEY"]
    assert environment["ORRERY_SERVICE_TOKEN"]["valueFrom"]["secretKeyRef"] == shared["JUPYTERHUB_API_TOKEN"]

    (tmp_path / "token").touch()
    monkeypatch.setattr("orrery_hub.configuration.SERVICE_ACCOUNT", tmp_path / "token")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    for name in ("ORRERY_HUB_KEY", "ORRERY_SERVICE_TOKEN"):
        monkeypatch.setenv(name, f"value of {name}")
    monkeypatch.setenv("ORRERY_PLATFORM_URL", url)
    c = Config()
    exec(values["hub"]["extraConfig"]["orrery"], {"c": c})
    assert c.OrreryKubeSpawner.site.hub_key == "value of ORRERY_HUB_KEY"
    assert c.JupyterHub.services[0]["api_token"] == "value of ORRERY_SERVICE_TOKEN"


def test_every_value_of_the_chart_is_described() -> None:
    reference = (ROOT / "docs" / "reference" / "kubernetes.md").read_text()
    section = reference.partition("<!-- values -->")[2].partition("<!-- /values -->")[0]
    values = yaml.safe_load((HELM / "orrery" / "values.yaml").read_text())
    nested = ("image", "hub", "objects", "storage", "service", "networkPolicy", "postgres")
    names = [name for name in values if name not in nested]
    names += [f"{part}.{name}" for part in nested for name in values[part]]
    assert [name for name in names if f"`{name}`" not in section] == []
