"""`audit registry`: the gate on an MLflow registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audit._cli.commands._options import Isolate, Isolated, Map, Memory, Out, Overwrite, Root, Seconds, State
from audit._cli.shell import Debug

app = typer.Typer(help="The gate on an MLflow registry.", rich_markup_mode="rich")


@app.command(
    "check",
    epilog="Example: [bold]audit registry check models:/melanoma/3 --config audit.toml --policy policy.toml "
    "--alias champion[/bold]   ·   Exit codes: as any verdict; 2 where the version could not be audited",
)
def registry_check(
    uri: Annotated[
        str, typer.Argument(metavar="URI", help="models:/NAME/VERSION or models:/NAME@ALIAS.", show_default=False)
    ],
    config: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="audit.toml.  default: the model's tag audit.config", show_default=False),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="default: the tag audit.policy, else audit.toml's own", show_default=False),
    ] = None,
    alias: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Moved on PASS.  default: the tag audit.alias, else none", show_default=False
        ),
    ] = None,
    root: Root = Path(),
    trust: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Registered model whose own code may run, isolated.", show_default=False),
    ] = None,
    isolate: Isolate = False,
    seconds: Seconds = 4 * 3600,
    memory: Memory = 32,
    out: Out = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Audit one version of a registered model; tags, report and evidence go to the registry, the alias on PASS."""
    from audit._cli.registry import CheckWords, check_version

    del debug
    words = CheckWords(
        config=config, policy=policy, alias=alias, root=root, trust=tuple(trust or ()), isolate=isolate,
        seconds=seconds, memory=memory,
    )  # fmt: skip
    raise typer.Exit(check_version(uri, out, words, overwrite=overwrite))


@app.command("watch", epilog="Example: [bold]audit registry watch --map gate.toml --root /srv/audits[/bold]")
def registry_watch(
    map_: Map,
    root: Root = Path(),
    state: State = Path(".audit-gate"),
    every: Annotated[float, typer.Option(metavar="S", min=1, help="Seconds between two looks.")] = 60,
    once: Annotated[bool, typer.Option("--once", help="Check what is new, then stop.")] = False,
    isolate: Isolated = True,
    seconds: Seconds = 4 * 3600,
    memory: Memory = 32,
    debug: Debug = False,
) -> None:
    """Check every new version of the models in your map; a restart goes on where it was stopped."""
    from audit._cli.registry import GateWords, watch_registry

    del debug
    words = GateWords(map=map_, root=root, state=state, every=every, isolate=isolate, seconds=seconds, memory=memory)
    raise typer.Exit(watch_registry(words, once=once))


@app.command(
    "serve",
    epilog="Example: [bold]AUDIT_WEBHOOK_SECRET=… audit registry serve --map gate.toml --root /srv/audits --port 8787"
    "[/bold]   ·   webhooks at /webhook, health checks at /health and /ready",
)
def registry_serve(
    map_: Map,
    root: Root = Path(),
    state: State = Path(".audit-gate"),
    host: Annotated[str, typer.Option(metavar="HOST", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="Port; 0: any that is free.")] = 8787,
    secret_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Secret of the webhooks.  default: $AUDIT_WEBHOOK_SECRET", show_default=False
        ),
    ] = None,
    every: Annotated[float, typer.Option(metavar="S", min=1, help="Seconds between two looks besides.")] = 300,
    isolate: Isolated = True,
    seconds: Seconds = 4 * 3600,
    memory: Memory = 32,
    debug: Debug = False,
) -> None:
    """Take MLflow's signed webhooks and check what they announce; a kill loses nothing."""
    from audit._cli.registry import GateWords, serve_registry

    del debug
    words = GateWords(map=map_, root=root, state=state, every=every, isolate=isolate, seconds=seconds, memory=memory)
    raise typer.Exit(serve_registry(words, host, port, secret_file))
