"""The protocols' reference: services, messages and enumerations with their comments."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "cryolattice_api."
# numbers of the fields of descriptor.proto, from which the paths of comments are made
_MESSAGE, _ENUM, _SERVICE, _MEMBER = 4, 5, 6, 2

# every job is created alike, which the page says once
_JOB_CREATION = re.compile(r"Create(\w+)Job(?:Request|Response)")
_CREATING_JOBS = """## Creating a job

`Create...JobRequest` has these fields, whatever the job:

| field | type | meaning |
|---|---|---|
| `parent` | string | `projects/{project}` |
| `spec` | message | what to do; named in the table of the service |
| `request_id` | string | a UUID: the same id and body returns the stored job |
| `validate_only` | bool | check and estimate, create nothing |
| `labels` | map of string to string | the caller's marks, kept with the job |

`Create...JobResponse` has `job`, a [Job](#job), absent with `validate_only`, and `estimate`, a
[JobEstimate](#jobestimate)."""

Comments = dict[tuple[int, ...], str]


def grpc_reference(buf: Path) -> str:
    """Return the page, made of the descriptors that `buf` builds from protos/."""
    built = subprocess.run(  # noqa: S603
        [buf, "build", "protos", "-o", "-"], cwd=ROOT, check=True, capture_output=True
    )
    files = FileDescriptorSet.FromString(built.stdout).file
    ours = [file for file in files if file.package.startswith(PACKAGE)]
    parts = [
        "# gRPC reference",
        "Every service also answers `grpc.health.v1.Health` and gRPC reflection. How to call them: "
        "[For developers of other services](../developer.md).",
        _CREATING_JOBS,
    ]
    ours.sort(key=lambda file: (not file.service, file.name))
    packages = dict.fromkeys(file.package for file in ours)
    for package in packages:
        parts.append(f"## Package `{package}`")
        for file in ours:
            if file.package == package:
                parts += _file(file)
    return "\n\n".join(parts) + "\n"


def _file(file: FileDescriptorProto) -> Iterator[str]:
    comments: Comments = {
        tuple(location.path): " ".join(location.leading_comments.split())
        for location in file.source_code_info.location
        if location.leading_comments
    }
    specs = {
        message.name: field.type_name
        for message in file.message_type
        for field in message.field
        if field.name == "spec" and _JOB_CREATION.fullmatch(message.name)
    }
    for index, service in enumerate(file.service):
        yield from _service(service, specs, comments, (_SERVICE, index))
    for index, message in enumerate(file.message_type):
        if not _JOB_CREATION.fullmatch(message.name):
            yield from _message(message, comments, (_MESSAGE, index))
    for index, enumeration in enumerate(file.enum_type):
        yield from _enumeration(enumeration, comments, (_ENUM, index))


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([line(headings), "|" + "---|" * len(headings), *map(line, rows)])


def _titled(title: str, comment: str) -> Iterator[str]:
    yield f"### {title}"
    if comment:
        yield comment


def _service(
    service: ServiceDescriptorProto,
    specs: Mapping[str, str],
    comments: Comments,
    path: tuple[int, ...],
) -> Iterator[str]:
    yield from _titled(service.name, comments.get(path, ""))
    rows = []
    for index, method in enumerate(service.method):
        spec = specs.get(method.input_type.rsplit(".", 1)[-1])
        request = ("stream of " if method.client_streaming else "") + _link(method.input_type)
        response = ("stream of " if method.server_streaming else "") + _link(method.output_type)
        if spec is not None:
            request, response = f"[a job](#creating-a-job) of {_link(spec)}", "[Job](#job)"
        comment = comments.get((*path, _MEMBER, index), "")
        rows.append((f"`{method.name}`", request, response, comment))
    yield table(("method", "request", "response", "meaning"), rows)


def _message(message: DescriptorProto, comments: Comments, path: tuple[int, ...]) -> Iterator[str]:
    yield from _titled(message.name, comments.get(path, ""))
    maps = {entry.name: entry.field for entry in message.nested_type if entry.options.map_entry}
    rows = [
        (f"`{field.name}`", _type(field, message, maps), comments.get((*path, _MEMBER, index), ""))
        for index, field in enumerate(message.field)
    ]
    yield table(("field", "type", "meaning"), rows) if rows else "No fields."


def _enumeration(
    enumeration: EnumDescriptorProto, comments: Comments, path: tuple[int, ...]
) -> Iterator[str]:
    yield from _titled(enumeration.name, comments.get(path, ""))
    rows = [
        (f"`{value.name}`", str(value.number), comments.get((*path, _MEMBER, index), ""))
        for index, value in enumerate(enumeration.value)
    ]
    yield table(("value", "number", "meaning"), rows)


def _type(
    field: FieldDescriptorProto,
    message: DescriptorProto,
    maps: Mapping[str, Sequence[FieldDescriptorProto]],
) -> str:
    entry = maps.get(field.type_name.rsplit(".", 1)[-1])
    if entry is not None:
        key, value = (_type(part, message, {}) for part in entry)
        return f"map of {key} to {value}"
    name = _link(field.type_name) if field.type_name else _scalar(field)
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"repeated {name}"
    if field.proto3_optional:
        return f"optional {name}"
    if field.HasField("oneof_index"):
        return f"one of `{message.oneof_decl[field.oneof_index].name}`: {name}"
    return name


def _scalar(field: FieldDescriptorProto) -> str:
    return FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()


def _link(type_name: str) -> str:
    name = type_name.rsplit(".", 1)[-1]
    if not type_name.startswith(f".{PACKAGE}"):
        return f"`{type_name.lstrip('.')}`"
    return f"[{name}](#{name.lower()})"
