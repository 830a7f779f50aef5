"""Commands that tell what there is: `probes`, `schema`, `doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from audit._cli.shell import Debug

app = typer.Typer()


@app.command(epilog="Example: [bold]audit probes[/bold]   or   [bold]audit probes FAIR001[/bold]")
def probes(
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", help="One probe, explained.", show_default=False)
    ] = None,
    debug: Debug = False,
) -> None:
    """List the catalogue of probes, or explain one."""
    from audit._cli.looking import explain_probe, list_probes

    del debug
    raise typer.Exit(list_probes() if code is None else explain_probe(code))


@app.command(epilog="Example: [bold]audit schema policy > policy.schema.json[/bold]")
def schema(
    kind: Annotated[Literal["evidence", "audit", "policy"], typer.Argument(help="Which file.")] = "evidence",
    debug: Debug = False,
) -> None:
    """Print the JSON Schema of evidence.json, audit.toml or policy.toml."""
    from audit._cli.looking import print_schema

    del debug
    raise typer.Exit(print_schema(kind))


@app.command(epilog="Example: [bold]audit doctor[/bold]   or   [bold]audit doctor --validate[/bold]")
def doctor(
    validate: Annotated[
        bool, typer.Option("--validate", help="Carry out planted-fault and coverage checks, and write what came out.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            show_default=False,
            help="The validation file.  default: in your data folder, where 'audit pack' finds it",
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Say what is installed, what is missing, and the line that installs it.

    With --validate: whether this installation finds planted faults, holds its intervals and refuses evidence that was
    changed; exit 1 where it does not. 'audit pack' puts the file into a pack.
    """
    from audit._cli.doctor import examine, prove

    del debug
    raise typer.Exit(prove(out) if validate else examine())
