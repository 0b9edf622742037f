"""Rendered manifests, and what they say about pods, settings and allowed connections."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
KUSTOMIZE = ROOT / "deploy" / "kustomize"
OVERLAYS = ("local", "production", "production-ray-jobs")

Manifest = dict[str, Any]


def render(overlay: str) -> list[Manifest]:
    """Return the documents that ``kubectl apply -k`` would send."""
    done = subprocess.run(
        [Path(sys.executable).parent / "kubectl", "kustomize", KUSTOMIZE / "overlays" / overlay],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@dataclass(frozen=True)
class Pod:
    """A pod that a controller would make: its owner's kind and name, its labels and its spec."""

    owner: str
    labels: dict[str, str]
    spec: Manifest

    @property
    def name(self) -> str:
        return self.labels["app.kubernetes.io/name"]

    @property
    def container(self) -> Manifest:
        (container,) = self.spec["containers"]
        return dict(container)

    @property
    def is_ours(self) -> bool:
        return str(self.container["image"]).rsplit("/", 1)[-1].startswith("cryolattice-")


def pods(documents: list[Manifest]) -> list[Pod]:
    """Return the pods of Deployments, StatefulSets and the groups of a RayCluster."""
    found = []
    for document in documents:
        owner = f"{document['kind']}/{document['metadata']['name']}"
        if document["kind"] in {"Deployment", "StatefulSet"}:
            templates = [document["spec"]["template"]]
        elif document["kind"] == "RayCluster":
            spec = document["spec"]
            templates = [group["template"] for group in spec["workerGroupSpecs"]]
            templates.append(spec["headGroupSpec"]["template"])
        else:
            continue
        found += [Pod(owner, t["metadata"]["labels"], t["spec"]) for t in templates]
    return found


def kind(documents: list[Manifest], name: str) -> list[Manifest]:
    """Return the documents of a kind."""
    return [document for document in documents if document["kind"] == name]


def selects(selector: Manifest | None, labels: dict[str, str]) -> bool:
    """Whether a label selector chooses these labels."""
    if selector is None:
        return False
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return True


def _policies(documents: list[Manifest], pod: Pod, direction: str) -> Iterator[Manifest]:
    for policy in kind(documents, "NetworkPolicy"):
        spec = policy["spec"]
        if direction in spec["policyTypes"] and selects(spec["podSelector"], pod.labels):
            yield from spec.get(direction.lower(), [])


def _allows(rules: Iterator[Manifest], side: str, other: Pod) -> set[int | None]:
    """Return the ports that rules open for a pod of the same namespace; None is every port."""
    ports: set[int | None] = set()
    for rule in rules:
        peers = rule.get(side)
        here = peers is None or any(
            "namespaceSelector" not in peer and selects(peer.get("podSelector"), other.labels)
            for peer in peers
        )
        if here:
            ports |= {port["port"] for port in rule.get("ports", [])} or {None}
    return ports


def arrows(documents: list[Manifest]) -> set[tuple[str, str, int | None]]:
    """Return every connection between two pods that both sides allow: from, to, port."""
    found = set()
    for one, other in product(pods(documents), repeat=2):
        out = _allows(_policies(documents, one, "Egress"), "to", other)
        into = _allows(_policies(documents, other, "Ingress"), "from", one)
        if None in out and None in into:
            both: set[int | None] = {None}
        else:
            both = (into if None in out else out) & (out if None in into else into)
        found |= {(one.name, other.name, port) for port in both}
    return found
