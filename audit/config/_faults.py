"""From what is wrong in a file to messages that say expected, got and fix."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from audit.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

_LONGEST = 80
_LISTED = 40


def one_line(text: object, longest: int = _LONGEST) -> str:
    """Return a text on one line, without control characters, cut to a length."""
    clean = "".join(c if c.isprintable() else " " for c in str(text))
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def shown(value: object) -> str:
    """Return a value of the file as the user wrote it, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return one_line(repr(value))


def listed(names: Iterable[str]) -> str:
    """Return names with commas, cut after forty."""
    every = [one_line(n, 40) for n in names]
    rest = f", … ({len(every)} in all)" if len(every) > _LISTED else ""
    return ", ".join(every[:_LISTED]) + rest


def nearest(name: str, options: Iterable[str]) -> str | None:
    """Return the option that a name most likely stood for, None where none is near."""
    folded: dict[str, str] = {}
    for option in options:
        folded.setdefault(option.casefold(), option)
    close = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    if not close and len(name) >= 3:
        # An abbreviation is far from its word by letters, and yet what was meant.
        close = [o for o in folded if o.startswith(name.casefold())][:1]
    return folded[close[0]] if close else None


def did_you_mean(name: str, options: Iterable[str], otherwise: str) -> str:
    """Return "did you mean …?" with the nearest option, else another advice."""
    guess = nearest(name, options)
    return f"did you mean '{one_line(guess)}'?" if guess is not None else otherwise


def unknown(where: str, name: str, options: Sequence[str], *, noun: str) -> ConfigError:
    """Return the fault of a name that is not among the options."""
    return ConfigError(
        f"{where}: unknown {noun} '{one_line(name)}'",
        expected=f"one of {listed(options)}" if options else f"no {noun} here",
        got=f"'{one_line(name)}'",
        fix=did_you_mean(name, options, "correct the name or take it out"),
    )


def key_path(loc: Sequence[int | str], raw: Any) -> str:
    """Return where a value stands, with rules and waivers named by their id."""
    text, here = "", raw
    for i, part in enumerate(loc):
        here = _step(here, part)
        if isinstance(part, int):
            label = here.get("id", here.get("rule")) if isinstance(here, Mapping) else None
            text += f" {part + 1}" + (f" '{one_line(label, 60)}'" if isinstance(label, str) else "")
            text += "" if i == len(loc) - 1 else ":"
        elif text.endswith(":"):
            text += " " + one_line(part)
        else:
            text += ("." if text else "") + one_line(part)
    return text


def _step(value: Any, part: int | str) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, Sequence) and isinstance(part, int) and part < len(value):
        return value[part]
    return None


def from_validation(error: ValidationError, model: type[BaseModel], raw: Mapping[str, Any]) -> list[ConfigError]:
    """Return one fault for each error that pydantic found."""
    return [_fault(dict(e), model, raw) for e in error.errors(include_url=False)]


_KINDS = {
    "string_type": ("a text in quotes", "put it in quotes"),
    "float_type": ("a number", "write a number without quotes"),
    "int_type": ("a whole number", "write a whole number without quotes"),
    "int_from_float": ("a whole number", "write a whole number"),
    "bool_type": ("true or false", "write true or false without quotes"),
    "list_type": ("a list", "put it in square brackets"),
    "dict_type": ("a table", "write it as a table, { key = value }"),
    "model_type": ("a table", "write it as a table, { key = value }"),
    "model_attributes_type": ("a table", "write it as a table, { key = value }"),
    "date_type": ("a date without quotes, for example 2027-03-01", "write the date without quotes"),
    "finite_number": ("a finite number", "write a finite number"),
}


def _fault(error: dict[str, Any], model: type[BaseModel], raw: Mapping[str, Any]) -> ConfigError:
    loc = tuple(error["loc"])
    where, kind, ctx = key_path(loc, raw), error["type"], error.get("ctx", {})
    got = shown(error.get("input"))
    if kind == "extra_forbidden":
        options = fields_at(model, loc[:-1])
        table = key_path(loc[:-1], raw)
        return unknown(f"[{table}]" if table else "top level", str(loc[-1]), options, noun="key")
    if kind == "missing":
        note = fields_note(model, loc)
        return ConfigError(f"{where}: missing", expected=note or "a value", got="none", fix=f"add {loc[-1]} = …")
    if kind == "audit":
        return ConfigError(
            f"{where}: {ctx['problem']}", expected=ctx["expected"], got=ctx["got"] or got, fix=ctx["fix"]
        )
    if kind in ("literal_error", "enum"):
        options = literals_at(model, loc)
        advice = did_you_mean(str(error.get("input")), options, "choose one of them")
        return ConfigError(f"{where}: unknown value", expected=f"one of {listed(options)}", got=got, fix=advice)
    expected, fix = _KINDS.get(kind, ("", ""))
    if not expected:
        expected = one_line(error["msg"].removeprefix("Input should be "))
        fix = "correct the value"
    return ConfigError(f"{where}: wrong value", expected=expected, got=got, fix=fix)


def _unwrapped(annotation: Any) -> Any:
    """Return the type below Annotated and Optional."""
    while True:
        if typing.get_origin(annotation) is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
            continue
        inner = [a for a in typing.get_args(annotation) if a is not type(None)]
        if type(None) in typing.get_args(annotation) and len(inner) == 1:
            annotation = inner[0]
            continue
        return annotation


def _type_at(model: Any, loc: Sequence[int | str]) -> Any:
    here = model
    for part in loc:
        here = _unwrapped(here)
        fields = getattr(here, "model_fields", None)
        if fields is not None:
            found = next((f for n, f in fields.items() if (f.alias or n) == part), None)
            here = None if found is None else found.annotation
        elif typing.get_origin(here) in (list, dict, Mapping):
            here = typing.get_args(here)[-1]
        else:
            return None
    return _unwrapped(here)


def fields_at(model: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """Return the keys that a table of the file may have."""
    fields = getattr(_type_at(model, loc), "model_fields", {})
    return [f.alias or n for n, f in fields.items()]


def fields_note(model: type[BaseModel], loc: Sequence[int | str]) -> str:
    """Return the description of a key, "" where it has none."""
    table = _unwrapped(_type_at(model, loc[:-1]))
    for name, field in getattr(table, "model_fields", {}).items():
        if (field.alias or name) == loc[-1]:
            return field.description or ""
    return ""


def literals_at(model: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """Return the values that a key may have."""
    return [str(v) for v in typing.get_args(_type_at(model, loc))]
