"""Events as JSON, and back.

An event is an object whose `event` names its class; its other members are the fields that differ from
their defaults. A number that is none (NaN, infinity), which JSON cannot say, is `{"float": "nan"}`; a
picture in a cell is `{"picture": {…}}`, a link there `{"reference": {…}}`.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from quire import events
from quire.events import Column, Event, Picture, Reference


def _fields_of(kind: type[Event]) -> list[tuple[str, Any]]:
    """Each field with its default; one that must be given has a default that equals nothing."""
    found = []
    for field in fields(kind):
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        found.append((field.name, object() if default is MISSING else default))
    return found


_CLASSES: dict[str, type[Event]] = {
    name: kind
    for name, kind in vars(events).items()
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
}
_FIELDS = {kind: _fields_of(kind) for kind in _CLASSES.values()}


def to_json(event: Event) -> dict[str, Any]:
    """The event as a value that `json` can write."""
    told: dict[str, Any] = {"event": type(event).__name__}
    for name, default in _FIELDS[type(event)]:
        value = getattr(event, name)
        if value is default or (value == default and type(value) is type(default)):
            continue
        told[name] = _plain(value)
    return told


def from_json(told: Mapping[str, Any]) -> Event:
    """The event in what `to_json` gave.

    Raises:
        ValueError: it is no event, or one of a later version.
    """
    kind = _CLASSES.get(str(told.get("event")))
    if kind is None:
        raise ValueError(f"there is no event {told.get('event')!r}")
    known = {name for name, _ in _FIELDS[kind]}
    values = {name: _rich(value, name) for name, value in told.items() if name in known}
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"this is no whole {kind.__name__}: {error}") from error


def dumps(event: Event) -> str:
    """The event as a line of JSON, without a newline."""
    return json.dumps(to_json(event), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Picture):
        return {"picture": _members(value)}
    if isinstance(value, Reference):
        return {"reference": _members(value)}
    if isinstance(value, Column):
        return _members(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return str(value)


def _members(record: Picture | Reference | Column) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _rich(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        if value.keys() == {"float"}:
            return float(value["float"])
        if value.keys() == {"picture"}:
            return Picture(**value["picture"])
        if value.keys() == {"reference"}:
            return Reference(**value["reference"])
        return {key: _rich(part) for key, part in value.items()}
    if isinstance(value, list):
        if name == "columns":
            return tuple(Column(**column) for column in value)
        return tuple(_rich(part) for part in value)
    return value
