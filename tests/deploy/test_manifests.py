"""The manifests are valid, restricted, and say what the code does."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for

from cryolattice.jobs.kinds import installed_services
from cryolattice.settings import Settings
from tests.deploy.manifests import (
    KUSTOMIZE,
    OVERLAYS,
    ROOT,
    Manifest,
    arrows,
    kind,
    pods,
    render,
    selects,
)

KUBERNETES = "1.32"
CUSTOM = ("RayCluster", "ServiceMonitor", "PodMonitor")
CRDS = ROOT.parent / "shared" / "crds"
USER = 10001
COMPONENT = "app.kubernetes.io/component"
SERVICES = installed_services()
# read by the libraries that reach the store and Ray
FOREIGN_SETTINGS = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ALLOW_HTTP",
    "RAY_ADDRESS",
    "RAY_AUTH_MODE",
    "RAY_AUTH_TOKEN",
}


@pytest.fixture(scope="module", params=OVERLAYS)
def documents(request: pytest.FixtureRequest) -> list[Manifest]:
    return render(request.param)


@cache
def _validator(name: str) -> Validator:
    """Return what validates a custom resource; it allows no field that the schema does not name."""
    for path in CRDS.glob("*.yaml"):
        # in Python alone these files take seconds
        definition = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
        if definition["spec"]["names"]["kind"] == name:
            (stored,) = (v for v in definition["spec"]["versions"] if v["storage"])
            schema = _strict(stored["schema"]["openAPIV3Schema"], top=True)
            made = validator_for(schema)
            made.check_schema(schema)
            return made(schema)
    raise LookupError(name)


def _strict(schema: Any, *, top: bool = False) -> Any:
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    made = {
        key: {name: _strict(field) for name, field in value.items()}
        if key == "properties"
        else _strict(value)
        for key, value in schema.items()
    }
    if top:
        made["properties"]["metadata"] = {"type": "object"}
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields")
    if "properties" in schema and "additionalProperties" not in schema and not open_ended:
        made["additionalProperties"] = False
    return made


def test_built_in_kinds_are_valid(documents: list[Manifest]) -> None:
    for document in documents:
        if document["kind"] not in CUSTOM:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)


@pytest.mark.real_data
@pytest.mark.skipif(not CRDS.exists(), reason="the definitions are not beside the checkout")
def test_custom_kinds_are_valid(documents: list[Manifest]) -> None:
    for document in documents:
        if document["kind"] in CUSTOM:
            _validator(document["kind"]).validate(document)
    misspelt = {**kind(documents, "RayCluster")[0], "sepc": {}}
    with pytest.raises(jsonschema.ValidationError, match="sepc"):
        _validator("RayCluster").validate(misspelt)


def test_every_pod_is_restricted(documents: list[Manifest]) -> None:
    (namespace,) = kind(documents, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    (ray,) = kind(documents, "RayCluster")
    found = pods(documents)
    assert len(found) >= 5
    for pod in found:
        of_pod = pod.spec["securityContext"]
        assert of_pod["runAsNonRoot"] is True
        assert of_pod["runAsUser"] == of_pod["runAsGroup"] == of_pod["fsGroup"] == USER
        assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
        # only the head's account, which KubeRay makes for the autoscaler, has a token
        is_head = pod.labels.get("app.kubernetes.io/component") == "head"
        assert pod.spec.get("automountServiceAccountToken", True) is is_head
        contexts = [
            pod.container["securityContext"],
            ray["spec"]["autoscalerOptions"]["securityContext"],
        ]
        for context in contexts:
            assert context == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod.spec)
        assert {"cpu", "memory"} <= set(pod.container["resources"]["requests"])
        assert {"cpu", "memory"} <= set(pod.container["resources"]["limits"])
        if pod.is_ours:
            mounts = {mount["mountPath"] for mount in pod.container["volumeMounts"]}
            assert mounts == {"/tmp", "/var/lib/cryolattice"}


def test_services_listen_where_the_code_does(documents: list[Manifest]) -> None:
    for name, service in SERVICES.items():
        (pod,) = (pod for pod in pods(documents) if pod.name == name)
        container = pod.container
        assert container["args"] == ["serve", name, "--host", "0.0.0.0"]
        assert {port["name"]: port["containerPort"] for port in container["ports"]} == {
            "grpc": service.port,
            "metrics": Settings().metrics_port,
        }
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["grpc"]["port"] == service.port
        assert container["readinessProbe"]["grpc"]["service"] == service.full_name
        (published,) = (s for s in kind(documents, "Service") if s["metadata"]["name"] == name)
        assert {port["name"]: port["port"] for port in published["spec"]["ports"]} == {
            "grpc": service.port,
            "metrics": Settings().metrics_port,
        }
        assert published["spec"]["selector"].items() <= pod.labels.items()
        for budget in kind(documents, "PodDisruptionBudget"):
            if budget["metadata"]["name"] == name:
                assert budget["spec"]["selector"]["matchLabels"].items() <= pod.labels.items()


def _environment(documents: list[Manifest], container: Manifest) -> set[str]:
    """Return the variables that a container would see, those of Secrets from their template."""
    held = {
        document["metadata"]["name"]: {*document.get("data", {}), *document.get("stringData", {})}
        for document in [
            *kind(documents, "ConfigMap"),
            *yaml.safe_load_all((KUSTOMIZE / "secrets.template.yaml").read_text()),
        ]
    }
    names = {variable["name"] for variable in container.get("env", [])}
    for source in container.get("envFrom", []):
        reference = source.get("configMapRef") or source["secretRef"]
        names |= held[reference["name"]]
    return names


def _submits_drivers(documents: list[Manifest]) -> bool:
    return any("CRYOLATTICE_RAY_JOBS_URL" in d.get("data", {}) for d in documents)


def test_every_setting_is_one_of_the_code(documents: list[Manifest]) -> None:
    known = {f"CRYOLATTICE_{name.upper()}" for name in Settings.model_fields}
    for pod in pods(documents):
        if not pod.is_ours:
            continue
        names = _environment(documents, pod.container)
        assert names <= known | FOREIGN_SETTINGS
        assert {"CRYOLATTICE_STORE_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= names
        # a tile reads and writes the store, and nothing else; a driver says how far it is
        drives = pod.labels.get(COMPONENT) == "head" and _submits_drivers(documents)
        assert ("CRYOLATTICE_LEDGER_URL" in names) is (pod.name != "ray" or drives)
        assert ("RAY_ADDRESS" in names) is (pod.name in {"simulator", "analyzer"})


def test_no_secret_is_rendered(documents: list[Manifest]) -> None:
    assert not kind(documents, "Secret")
    for document in yaml.safe_load_all((KUSTOMIZE / "secrets.template.yaml").read_text()):
        for value in document["stringData"].values():
            assert "REPLACE" in value


def test_connections_are_those_of_the_design(documents: list[Manifest]) -> None:
    found = arrows(documents)
    # a driver connects to Ray, or Ray is asked to run it
    port = 8265 if _submits_drivers(documents) else 10001
    expected: set[tuple[str, str, int | None]] = {
        ("simulator", "ray", port),
        ("analyzer", "ray", port),
        ("ray", "ray", None),
    }
    if any(pod.name == "store" for pod in pods(documents)):
        expected |= {(name, "store", 8333) for name in (*SERVICES, "ray")}
        expected |= {(name, "ledger", 5432) for name in SERVICES}
    assert found == expected


def test_only_clients_prometheus_and_dns_are_outside(documents: list[Manifest]) -> None:
    ingress: dict[str, set[int]] = {}
    for policy in kind(documents, "NetworkPolicy"):
        for rule in policy["spec"].get("ingress", []):
            assert rule["from"], "a rule without peers would let everybody in"
            for peer in rule["from"]:
                if "namespaceSelector" in peer:
                    labels = peer["namespaceSelector"]["matchLabels"]
                    key = ",".join(f"{name}={value}" for name, value in labels.items())
                    ingress.setdefault(key, set()).update(port["port"] for port in rule["ports"])
    clients = {service.port for service in SERVICES.values()}
    assert ingress.pop("cryolattice-clients=allowed") == clients
    if ingress:
        assert ingress == {"kubernetes.io/metadata.name=monitoring": {9090, 8080, 44217}}


def test_a_deny_for_all_is_there(documents: list[Manifest]) -> None:
    (deny,) = (
        p for p in kind(documents, "NetworkPolicy") if p["metadata"]["name"] == "default-deny"
    )
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("overlay", ["production", "production-ray-jobs"])
def test_production_leaves_only_to_named_addresses(overlay: str) -> None:
    for policy in kind(render(overlay), "NetworkPolicy"):
        for rule in policy["spec"].get("egress", []):
            assert rule["to"], f"{policy['metadata']['name']} leads anywhere"


def test_drivers_on_the_head_reach_the_ledger() -> None:
    assert not _submits_drivers(render("production"))
    documents = render("production-ray-jobs")
    assert _submits_drivers(documents)
    policies = {p["metadata"]["name"]: p["spec"] for p in kind(documents, "NetworkPolicy")}
    head = policies["ray-head-to-ledger"]
    # where the services find it, and no other node of the cluster
    assert head["egress"] == policies["services-to-ledger"]["egress"]
    assert [
        pod.labels[COMPONENT] for pod in pods(documents) if selects(head["podSelector"], pod.labels)
    ] == ["head"]
    (url,) = (
        d["data"]["CRYOLATTICE_RAY_JOBS_URL"]
        for d in kind(documents, "ConfigMap")
        if "CRYOLATTICE_RAY_JOBS_URL" in d["data"]
    )
    (cluster,) = kind(documents, "RayCluster")
    assert url == f"http://{cluster['metadata']['name']}-head-svc:8265"


def test_prometheus_finds_every_metrics_port() -> None:
    documents = render("production")
    (services,) = kind(documents, "ServiceMonitor")
    (ray,) = kind(documents, "PodMonitor")
    for service in kind(documents, "Service"):
        labels = service["metadata"]["labels"]
        assert selects_labels(services, labels)
    ports = {
        port["name"]
        for pod in pods(documents)
        if pod.name == "ray"
        for port in pod.container["ports"]
    }
    assert {endpoint["port"] for endpoint in ray["spec"]["podMetricsEndpoints"]} <= ports


def selects_labels(monitor: Manifest, labels: dict[str, str]) -> bool:
    (expression,) = monitor["spec"]["selector"]["matchExpressions"]
    return labels[expression["key"]] in expression["values"]


def test_ray_scales_and_asks_for_a_token(documents: list[Manifest]) -> None:
    (cluster,) = kind(documents, "RayCluster")
    spec = cluster["spec"]
    assert spec["enableInTreeAutoscaling"] is True
    assert spec["authOptions"] == {"mode": "token"}
    (group,) = spec["workerGroupSpecs"]
    assert group["minReplicas"] <= group["replicas"] < group["maxReplicas"]
    # a driver and the nodes must have the same Ray
    locked = re.findall(r"^ray==(\S+)", "".join(_locks()), re.M)
    assert set(locked) == {spec["rayVersion"]}
    # the Service and the Secret that KubeRay makes have the cluster's name
    name = cluster["metadata"]["name"]
    for config in kind(documents, "ConfigMap"):
        if "RAY_ADDRESS" in config["data"]:
            assert config["data"]["RAY_ADDRESS"] == f"ray://{name}-head-svc:10001"
    for pod in pods(documents):
        for variable in pod.container.get("env", []):
            if variable["name"] == "RAY_AUTH_TOKEN":
                assert variable["valueFrom"]["secretKeyRef"] == {"name": name, "key": "auth_token"}


def _locks() -> list[str]:
    paths = [*(ROOT / "deploy" / "images").glob("*.lock"), ROOT / "requirements.lock"]
    return [Path(path).read_text() for path in paths]


def test_every_image_has_a_dockerfile(documents: list[Manifest]) -> None:
    built = {
        f"cryolattice-{path.name.removesuffix('.Dockerfile')}"
        for path in (ROOT / "deploy" / "images").glob("*.Dockerfile")
    }
    used = {pod.container["image"] for pod in pods(documents) if pod.is_ours}
    assert {image.rsplit("/", 1)[-1].split(":")[0] for image in used} == built
    (version,) = {image.rsplit(":", 1)[-1] for image in used}
    assert f'version = "{version}"' in (ROOT / "services/common/pyproject.toml").read_text()
