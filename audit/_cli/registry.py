"""`audit registry check`, `watch` and `serve`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from audit._cli.outcome import print_outcome
from audit._cli.shell import say


@dataclass(frozen=True, kw_only=True)
class CheckWords:
    """What `audit registry check` was told.

    Args:
        config: audit.toml.
        policy: policy.toml.
        alias: Moved on PASS.
        root: Files are looked up below it.
        trust: Registered models whose code may be run.
        isolate: Whether the model is loaded in a process of its own.
        seconds: That this process may take.
        memory: GiB that it may use.
    """

    config: str | None
    policy: str | None
    alias: str | None
    root: Path
    trust: tuple[str, ...]
    isolate: bool
    seconds: float
    memory: float


def check_version(uri: str, out: Path | None, words: CheckWords, *, overwrite: bool) -> int:
    """Audit one version of a registered model and return the verdict's exit code."""
    from audit import session
    from audit.models import client, registry_errors, resolve
    from audit.models import parse_uri as parse
    from audit.registry import Gate, Limits, order_for

    name, _, _ = parse(uri)
    folder = out or session.default_folder()
    session.check_folder(folder, overwrite=overwrite)
    registry = client()
    version = resolve(uri, registry)
    with registry_errors(f"the registered model {name}"):
        tags = dict(registry.get_registered_model(name).tags)
    order = order_for(
        name, tags, words.root, config=words.config, policy=words.policy, alias=words.alias,
        trusted=name in words.trust,
    )  # fmt: skip
    limits = Limits(seconds=words.seconds, memory=int(words.memory * 2**30))
    gate = Gate(registry=registry, isolate=words.isolate, limits=limits, forward=False)
    with tempfile.TemporaryDirectory(prefix="audit-registry-") as work:
        found = gate.check(version, order, Path(work), folder.resolve(), overwrite=overwrite)
    code = print_outcome(found.evidence, folder)
    say(f"  version   {version.uri}, tagged {found.evidence.verdict.outcome}, run {found.run_id}")
    if found.alias:
        say(f"  alias     {found.alias} names version {version.version} now")
    for note in found.notes:
        say(f"  note  {note}")
    return code
