"""`audit registry check`, `watch` and `serve`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from audit._cli.outcome import print_outcome
from audit._cli.shell import say
from audit.errors import EXIT_PASS, InputError

if TYPE_CHECKING:
    from audit.registry import Worker


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


@dataclass(frozen=True, kw_only=True)
class GateWords:
    """What `audit registry watch` and `serve` were told.

    Args:
        map: The operator's own map of models.
        root: Files of the map lie below it.
        state: Folder of the gate: its queue and its runs.
        every: Seconds between two looks at the registry.
        isolate: Whether models are loaded in a process of their own.
        seconds: That this process may take.
        memory: GiB that it may use.
    """

    map: Path
    root: Path
    state: Path
    every: float
    isolate: bool
    seconds: float
    memory: float


@contextmanager
def _worker(words: GateWords) -> Iterator[Worker]:
    from audit.models import client
    from audit.registry import Gate, Limits, Queue, Worker, only_gate, read_map

    root, state = words.root.resolve(), words.state.resolve()
    orders = read_map(words.map, root)
    with only_gate(state):
        queue = Queue(state / "queue.sqlite")
        gate = Gate(
            registry=client(), isolate=words.isolate, recall=queue.known, remember=queue.remember,
            limits=Limits(seconds=words.seconds, memory=int(words.memory * 2**30)),
        )  # fmt: skip
        say(f"gate on {', '.join(sorted(orders))}; runs are in {state / 'runs'}")
        yield Worker(gate=gate, queue=queue, orders=orders, root=root, state=state, tell=say)


def watch_registry(words: GateWords, *, once: bool) -> int:
    """Check every new version of the operator's models, until stopped."""
    with _worker(words) as worker:
        worker.run(every=words.every, until=lambda: once)
    return EXIT_PASS


def serve_registry(words: GateWords, host: str, port: int, secret_file: Path | None) -> int:
    """Take webhooks of MLflow and check what they announce, until stopped."""
    import threading

    from audit.registry import HookServer

    secret = _secret(secret_file)
    with _worker(words) as worker:
        working = threading.current_thread()
        server = HookServer(
            (host, port), secret=secret, queue=worker.queue, noted=worker.wake.set, alive=working.is_alive
        )
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        say(f"webhooks at http://{host}:{server.server_address[1]}/webhook")
        try:
            worker.run(every=words.every)
        finally:
            server.shutdown()
            server.server_close()
    return EXIT_PASS


def _secret(file: Path | None) -> bytes:
    """Return the secret that MLflow signs with.

    Raises:
        InputError: There is none, or one that can be guessed.
    """
    try:
        secret = os.environ.get("AUDIT_WEBHOOK_SECRET", "").encode() if file is None else file.read_bytes().strip()
    except OSError as error:
        raise InputError(
            "the secret of the webhooks cannot be read", expected="a file", got=error.strerror or "",
            fix="correct --secret-file",
        ) from error  # fmt: skip
    if len(secret) < 16:
        raise InputError(
            "the gate needs the secret of the webhooks", expected="16 characters or more, in --secret-file or "
            "AUDIT_WEBHOOK_SECRET", got=f"{len(secret)}", fix="give it what the webhook in MLflow was made with",
        )  # fmt: skip
    return secret
