"""`audit reference`: the models that the suite ships."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audit._cli.commands._options import Overwrite, Profile
from audit._cli.shell import Debug

app = typer.Typer(help="The reference models that the suite ships.", rich_markup_mode="rich")


@app.command("list", epilog="Example: [bold]audit reference list[/bold]")
def reference_list(debug: Debug = False) -> None:
    """List the reference models; the first word of each row is the name."""
    from audit._cli.reference import list_models

    del debug
    raise typer.Exit(list_models())


@app.command("build", epilog="Example: [bold]audit reference build gender-biased --out rebuilt[/bold]")
def reference_build(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="As `audit reference list` gives it.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where weights and figures go.")] = Path(
        "reference-models"
    ),
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            metavar="N",
            min=0,
            show_default=False,
            help="Seed of the training.  default: that of the shipped weights",
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Train a reference model again from its recipe, and print its figures beside the shipped ones."""
    from audit._cli.reference import build_model

    del debug
    raise typer.Exit(build_model(name, out, seed))


@app.command("audit", epilog="Example: [bold]audit reference audit gender-biased --out biased-run[/bold]")
def reference_audit(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="As `audit reference list` gives it.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            show_default=False,
            help="Folder of the run; model, images and audit.toml go into DIR-files.  default: audit-runs/<UTC time>",
        ),
    ] = None,
    profile: Annotated[
        Profile | None, typer.Option(help="How much to spend.  default: as its audit.toml says", show_default=False)
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", metavar="N", min=0, show_default=False, help="Seed of cohort and run.  default: that of the docs"
        ),
    ] = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Audit a reference model on its phantom cohort; the exit code is that of any audit."""
    from audit._cli.reference import audit_model

    del debug
    raise typer.Exit(audit_model(name, out, profile=profile, seed=seed, overwrite=overwrite))
