"""By what a registered model is judged: options, tags of the registry, or the operator's own map."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.errors import ConfigError, InputError

CONFIG_TAG, POLICY_TAG, ALIAS_TAG = "audit.config", "audit.policy", "audit.alias"
_KEYS = {"config", "policy", "alias", "trust"}


@dataclass(frozen=True, kw_only=True)
class Order:
    """How one registered model is judged.

    Args:
        name: The registered model.
        config: Its audit.toml.
        policy: Its policy.toml; None: the one that audit.toml names.
        alias: Moved to a version that passes; empty: none is.
        trusted: Whether code that comes with its versions may be run, isolated.
        notes: What was not followed, and why.
    """

    name: str
    config: Path
    policy: Path | None = None
    alias: str = ""
    trusted: bool = False
    notes: tuple[str, ...] = ()


def order_for(
    name: str,
    tags: Mapping[str, str],
    root: Path,
    *,
    config: str | None = None,
    policy: str | None = None,
    alias: str | None = None,
    trusted: bool = False,
) -> Order:
    """Return how a registered model is judged; options override its tags.

    Args:
        name: The registered model.
        tags: Tags of the registered model, not of a version.
        root: Files are looked up below it.
        config: Instead of the tag `audit.config`.
        policy: Instead of the tag `audit.policy`.
        alias: Instead of the tag `audit.alias`.
        trusted: Whether the operator trusts this model's code.

    Raises:
        InputError: No configuration is named, or a path leaves the folder.
    """
    named = config or tags.get(CONFIG_TAG)
    if not named:
        raise InputError(
            f"nothing says how {name} is audited", expected=f"--config FILE, or the tag {CONFIG_TAG} on the model",
            got="neither", fix="name its audit.toml",
        )  # fmt: skip
    rules = policy or tags.get(POLICY_TAG)
    return Order(
        name=name, config=below(root, named, "the configuration"), alias=alias or tags.get(ALIAS_TAG) or "",
        policy=None if not rules else below(root, rules, "the policy"), trusted=trusted,
    )  # fmt: skip


def below(root: Path, named: str, what: str) -> Path:
    """Return a file below a folder.

    Raises:
        InputError: It would leave the folder, also through a link, or is not there.
    """
    base = root.resolve()
    try:
        path = (base / named).resolve()
        there = path.is_file()
    except (OSError, ValueError, RuntimeError):
        path, there = base, False
    if not path.is_relative_to(base):
        raise InputError(
            f"{what} lies outside of the folder for such files; it was not read", expected=f"a file below {base}",
            got=repr(named)[:100], fix="move it there, or give another --root",
        )  # fmt: skip
    if not there:
        raise InputError(
            f"{what} is not there", expected=f"a file below {base}", got=repr(named)[:100], fix="correct the path"
        )
    return path


def read_map(path: Path, root: Path) -> Mapping[str, Order]:
    """Return the operator's own map from registered models to how they are judged.

    Args:
        path: A TOML file with one table `[models.NAME]` a model: config, policy, alias and, if need be, trust.
        root: Files are looked up below it.

    Raises:
        ConfigError: The file cannot be read, or a table lacks a key or has another one.
        InputError: A file is not there, or outside of the folder.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(
            f"{path.name} cannot be read", expected="a TOML file with [models.NAME] tables", got=str(error)[:120],
            fix="correct the file",
        ) from error  # fmt: skip
    models = raw.get("models")
    if not isinstance(models, dict) or not models or set(raw) - {"models"}:
        raise ConfigError(
            f"{path.name} is no map of models", expected="[models.NAME] tables and nothing else",
            got=", ".join(map(str, raw))[:80] or "nothing", fix="add a table for each registered model",
        )  # fmt: skip
    return {name: _mapped(name, table, root) for name, table in models.items()}


def _mapped(name: str, table: Any, root: Path) -> Order:
    where = f"[models.{name}]"[:80]
    keys = set(table) if isinstance(table, dict) else set()
    texts = {k: table.get(k) for k in ("config", "policy", "alias")} if keys else {}
    if keys - _KEYS or not texts or not all(isinstance(v, str) and v for v in texts.values()):
        raise ConfigError(
            f"{where} is not whole", expected="config, policy and alias, each a text; trust = true if need be",
            got=", ".join(sorted(keys)) or "no table", fix="give all three: who submits a model must choose none",
        )  # fmt: skip
    if not isinstance(table.get("trust", False), bool):
        raise ConfigError(f"{where}: trust is no truth value", expected="true or false", got=repr(table["trust"])[:40])
    return Order(
        name=name, config=below(root, table["config"], f"{where} config"), alias=table["alias"],
        policy=below(root, table["policy"], f"{where} policy"), trusted=table.get("trust", False),
    )  # fmt: skip


def held_against(order: Order, tags: Mapping[str, str], root: Path) -> Order:
    """Return the operator's order, with a note for each tag of the registry that says something else.

    Args:
        order: From the operator's map.
        tags: Tags of the registered model and of the version; they change nothing.
        root: What their paths are relative to.
    """
    own = {CONFIG_TAG: str(order.config), POLICY_TAG: str(order.policy), ALIAS_TAG: order.alias}
    notes = []
    for name, value in own.items():
        given = tags.get(name)
        if given is None or given == value:
            continue
        if name == ALIAS_TAG or str((root.resolve() / given.replace("\0", "")).resolve()) != value:
            notes.append(f"the tag {name} differs from the operator's map and was not followed")
    return Order(
        name=order.name, config=order.config, policy=order.policy, alias=order.alias, trusted=order.trusted,
        notes=(*order.notes, *notes),
    )  # fmt: skip
