"""Questions written as YAML: the names are those of the protobuf messages."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from io import StringIO
from pathlib import Path, PurePath
from typing import Any

import yaml
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from yaml.constructor import ConstructorError
from yaml.representer import RepresenterError

from cryolattice.errors import InvalidInputError, UnreadableFileError
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef

_LARGEST_SERIES = 100_000
_RANGE = ("from", "to", "step")
_WHOLE = {
    FieldDescriptor.CPPTYPE_INT32: range(-(2**31), 2**31),
    FieldDescriptor.CPPTYPE_INT64: range(-(2**63), 2**63),
    FieldDescriptor.CPPTYPE_UINT32: range(2**32),
    FieldDescriptor.CPPTYPE_UINT64: range(2**64),
}
_REAL = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)


class SpecFile:
    """A mapping from YAML or from Python, and where in the file each field stands.

    Parameters
    ----------
    source : Path, str or mapping
        A YAML file, or what would stand in it.

    Attributes
    ----------
    folder : Path
        That paths in it start from.
    entries : dict of str to yaml.Node
        The entries of the mapping.

    Raises
    ------
    InvalidInputError
        The file cannot be read, is no YAML or no mapping.
    """

    def __init__(self, source: Path | str | Mapping[str, Any]) -> None:
        self._lines: dict[str, int] = {}
        if isinstance(source, Mapping):
            self._name = ""
            self.folder = Path()
            root: yaml.Node | None = _represented(source)
        else:
            path = Path(source)
            self._name = path.name
            self.folder = path.parent
            root = _read(path)
        self.entries = self.mapping(root, "")

    def mapping(self, node: yaml.Node | None, path: str) -> dict[str, yaml.Node]:
        """Return the entries of a mapping, and remember where they stand."""
        if not isinstance(node, yaml.MappingNode):
            raise self.error(path, "is no mapping: give a mapping, lines of 'name: value'")
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.error(path, "has a name that is no text: give lines of 'name: value'")
            name = _joined(path, str(key.value))
            if key.start_mark is not None:
                self._lines[name] = key.start_mark.line + 1
            if key.value in found:
                raise self.error(name, "is given twice: leave one out")
            found[key.value] = value
        return found

    def known(self, entries: Mapping[str, Any], names: list[str], path: str = "") -> None:
        """Raise `InvalidInputError` where an entry has none of these names."""
        for name in entries:
            if name not in names:
                near = get_close_matches(name, names, 1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"
                raise self.error(_joined(path, name), f"is not known: {hint}")

    def fill(self, message: Message, entries: Mapping[str, yaml.Node], path: str = "") -> None:
        """Set the fields of a message.

        Raises
        ------
        InvalidInputError
            An entry is no field of the message, or its value has another type.
        """
        fields: Any = message.DESCRIPTOR.fields_by_name
        self.known(entries, list(fields), path)
        for name, node in entries.items():
            self._set(message, fields[name], node, _joined(path, name))

    def _set(self, message: Any, field: FieldDescriptor, node: yaml.Node, path: str) -> None:
        described = field.message_type
        if described is not None and described.GetOptions().map_entry:
            values = described.fields_by_name["value"]
            for key, value in self.mapping(node, path).items():
                getattr(message, field.name)[key] = self._scalar(values, value, f"{path}.{key}")
        elif field.is_repeated:
            target = getattr(message, field.name)
            for item in self._items(field, node, path):
                if described is None:
                    target.append(
                        item if isinstance(item, float) else self._scalar(field, item, path)
                    )
                else:
                    self.fill(target.add(), self.mapping(item, path), path)
        elif described is not None:
            inner = getattr(message, field.name)
            # present, even where nothing in it is set
            inner.SetInParent()
            if isinstance(inner, DatasetRef):
                # whoever asks completes it
                inner.name = self.text(node, path)
                return
            self.fill(inner, self.mapping(node, path), path)
        else:
            setattr(message, field.name, self._scalar(field, node, path))

    def _items(self, field: FieldDescriptor, node: yaml.Node, path: str) -> list[Any]:
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        if isinstance(node, yaml.MappingNode) and field.cpp_type in _REAL:
            return self._series(field, node, path)
        return [node]

    def _series(self, field: FieldDescriptor, node: yaml.Node, path: str) -> list[float]:
        """Return the numbers from `from` to `to` in steps of `step`, both ends included."""
        entries = self.mapping(node, path)
        self.known(entries, list(_RANGE), path)
        lacking = [name for name in _RANGE if name not in entries]
        if lacking:
            raise self.error(path, f"lacks {' and '.join(lacking)}: give from, to and step")
        first, last, step = (
            self._scalar(field, entries[name], f"{path}.{name}") for name in _RANGE
        )
        if not (step > 0 and last >= first) or (last - first) / step > _LARGEST_SERIES:
            raise self.error(
                path,
                f"goes from {first:g} to {last:g} in steps of {step:g}: give a positive step, 'to' "
                f"not below 'from', and at most {_LARGEST_SERIES:,} values",
            )
        count = int((last - first) / step + 1e-6) + 1
        return [round(first + step * index, 9) for index in range(count)]

    def _scalar(self, field: FieldDescriptor, node: yaml.Node, path: str) -> Any:
        text = self.text(node, path)
        if field.enum_type is not None:
            return self._enum(field.enum_type, text, path)
        kind = field.cpp_type
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            if text.lower() not in {"true", "false"}:
                raise self.error(path, f"is {text!r}: give true or false")
            return text.lower() == "true"
        if kind in _REAL or kind in _WHOLE:
            try:
                number = float(text) if kind in _REAL else int(text)
            except ValueError:
                wanted = "a number" if kind in _REAL else "a whole number"
                raise self.error(path, f"is {text!r}: give {wanted}") from None
            if kind in _WHOLE and number not in _WHOLE[kind]:
                low, high = _WHOLE[kind][0], _WHOLE[kind][-1]
                raise self.error(path, f"is {text}: give a whole number from {low} to {high}")
            return number
        return text

    def value(self, node: yaml.Node, path: str) -> Any:
        """Return what stands there, as Python's numbers, texts, lists and dicts."""
        try:
            return yaml.SafeLoader("").construct_document(node)
        except ConstructorError as error:
            raise self.error(
                path, f"holds what is no number, text, list or mapping ({error.problem})"
            ) from error

    def _enum(self, described: EnumDescriptor, text: str, path: str) -> int:
        first: str = described.values[0].name
        prefix = first.removesuffix("UNSPECIFIED")
        names = {
            value.name.removeprefix(prefix).lower(): value.number for value in described.values
        }
        del names["unspecified"]
        if text.lower() not in names:
            raise self.error(path, f"is {text!r}: choose {' or '.join(names)}")
        return int(names[text.lower()])

    def text(self, node: yaml.Node, path: str) -> str:
        """Return the text of a value that is no list and no mapping."""
        if not isinstance(node, yaml.ScalarNode) or node.tag.endswith(":null"):
            raise self.error(path, "give one value")
        return str(node.value)

    def error(self, path: str, problem: str) -> InvalidInputError:
        """Return an error that names the field and its line."""
        return InvalidInputError(f"{self._place(path)}{path or 'the file'} {problem}", field=path)

    def located(self, error: InvalidInputError) -> InvalidInputError:
        """Return an error of a service with the line that it is about."""
        path = self._line_of(error.field)
        return type(error)(
            f"{self._place(path)}{error.message}", field=error.field, metadata=error.metadata
        )

    def _line_of(self, field: str) -> str:
        if field in self._lines or not field:
            return field
        # services may name the inner field alone, or a list by what it holds
        last = {name.rsplit(".", 1)[-1]: name for name in self._lines}
        near = get_close_matches(field.rsplit(".", 1)[-1], list(last), 1, 0.8)
        return last[near[0]] if near else ""

    def _place(self, path: str) -> str:
        if not self._name:
            return ""
        line = self._lines.get(path)
        return f"{self._name}, line {line}: " if line else f"{self._name}: "


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _represented(source: Mapping[str, Any]) -> yaml.Node:
    try:
        node: yaml.Node = yaml.SafeDumper(StringIO()).represent_data(_plain(source))
    except RepresenterError as error:
        raise InvalidInputError(
            f"{error.args[-1]!r} cannot be asked for: write numbers, texts, lists and mappings",
            field="spec",
        ) from error
    return node


def _plain(value: Any) -> Any:
    """Return numpy's numbers and arrays, paths and tuples as what stands for them in YAML."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value) if isinstance(value, PurePath) else value


def _read(path: Path) -> yaml.Node | None:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        told = getattr(error, "strerror", None) or "it is not a text file"
        raise UnreadableFileError(f"cannot read {path}: {told}", field="spec") from error
    try:
        found: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise UnreadableFileError(
            f"{path.name}{where}: this is not YAML ({error.problem or error.context})", field="spec"
        ) from error
    except yaml.YAMLError as error:
        raise UnreadableFileError(
            f"{path.name}: this is not YAML ({error})", field="spec"
        ) from error
    return found
