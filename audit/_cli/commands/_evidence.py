"""Commands on the evidence of finished runs: `gate`, `compare`, `verify`, `report`, `pack`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from audit._cli.commands._options import Github, MinCell, RunFolder
from audit._cli.shell import Debug
from audit.storage import held_run, locate

app = typer.Typer()


@app.command(
    epilog="Example: [bold]audit gate audit-runs/20261122T101500Z --policy stricter.toml[/bold]   or   "
    "[bold]audit gate candidate --baseline champion[/bold]"
)
def gate(
    run: RunFolder,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Another policy.  default: the run's own", show_default=False)
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="RUN",
            show_default=False,
            help="Hold it against this run on the same cases, by the policy's margins (comparison tables).",
        ),
    ] = None,
    github: Github = False,
    debug: Debug = False,
) -> None:
    """Judge a finished run again, from its evidence alone; writes nothing."""
    from audit._cli.runs import gate_run

    del debug
    raise typer.Exit(gate_run(locate(run), policy, None if baseline is None else locate(baseline), github=github))


@app.command(
    epilog="Example: [bold]audit compare champion candidate --out comparison.html[/bold]   ·   Exit codes: as any "
    "verdict where the policy has margins; without margins 0, or 3 where the runs cannot be paired"
)
def compare(
    baseline: Annotated[str, typer.Argument(metavar="A", help="The baseline's run.", show_default=False)],
    candidate: Annotated[str, typer.Argument(metavar="B", help="The candidate's run.", show_default=False)],
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Margins (comparison tables).  default: B's own policy", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write an HTML page, too.", show_default=False)
    ] = None,
    min_cell: MinCell = 0,
    debug: Debug = False,
) -> None:
    """Hold two runs against each other case by case: B minus A, from their stored predictions alone."""
    from audit._cli.comparing import compare_runs

    del debug
    raise typer.Exit(compare_runs(locate(baseline), locate(candidate), policy, out, min_cell=min_cell))


@app.command(
    epilog="Example: [bold]audit verify audit-runs/20261122T101500Z[/bold]   or   "
    "[bold]audit verify pack.zip --key release.pub[/bold]   ·   Exit codes: 0 intact, 1 changed, 2 unreadable"
)
def verify(
    run: Annotated[
        str, typer.Argument(metavar="RUN|PACK", help="A run's folder or its URL, or a pack.", show_default=False)
    ],
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="PUB", help="Public key (Ed25519) that signed the pack.", show_default=False),
    ] = None,
    debug: Debug = False,
) -> None:
    """Check every byte of a run or a pack, and make its numbers again from the stored predictions, without the model.

    It answers 0 where nothing was changed, whatever the verdict.
    """
    from audit._cli.verifying import verify_run

    del debug
    raise typer.Exit(verify_run(locate(run), key))


@app.command(epilog="Example: [bold]audit report audit-runs/20261122T101500Z --static --out report.html[/bold]")
def report(
    run: RunFolder,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="default: RUN-report.html here", show_default=False)
    ] = None,
    static: Annotated[bool, typer.Option("--static", help="Pictures instead of interactive figures.")] = False,
    min_cell: MinCell = 0,
    debug: Debug = False,
) -> None:
    """Write the HTML report of a finished run again."""
    from audit._cli.runs import write_report

    del debug
    raise typer.Exit(write_report(locate(run), out, static=static, min_cell=min_cell))


@app.command(
    epilog="Example: [bold]audit pack audit-runs/20261122T101500Z --out pack.zip --hazards hazards.csv --pdf "
    "--sign key.pem[/bold]"
)
def pack(
    run: RunFolder,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="default: RUN.zip here", show_default=False)
    ] = None,
    standard: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A text of the crosswalk; may be repeated.  default: all", show_default=False
        ),
    ] = None,
    sign: Annotated[
        Path | None, typer.Option(metavar="KEY", help="Ed25519 private key that signs.", show_default=False)
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Print all documents to a PDF, by an installed Chromium.")] = False,
    hazards: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Your hazards and their rules, CSV or TOML.", show_default=False),
    ] = None,
    anomalies: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Known faults of software of others, CSV or TOML.", show_default=False),
    ] = None,
    timestamp: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="RFC 3161 time stamp of the policy's digest or file.", show_default=False),
    ] = None,
    timestamp_ca: Annotated[
        Path | None,
        typer.Option(
            "--timestamp-ca", metavar="FILE", help="Root certificates that you trust for it, PEM.", show_default=False
        ),
    ] = None,
    commit: Annotated[
        str,
        typer.Option(
            metavar="REV",
            show_default=False,
            help="Commit with the policy, signed with an SSH key: a revision, or a file that git cat-file printed.",
        ),
    ] = "",
    repository: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Repository or bundle of that commit.  default: the current folder", show_default=False
        ),
    ] = None,
    allowed_signers: Annotated[
        Path | None,
        typer.Option(
            "--allowed-signers",
            metavar="FILE",
            help="Whose signatures of commits you trust, as ssh-keygen reads it.",
            show_default=False,
        ),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The policy file that was stamped or committed.", show_default=False),
    ] = None,
    validation: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="What 'audit doctor --validate --out FILE' wrote.  default: yours", show_default=False
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="RUN",
            show_default=False,
            help="The run that this one is held against by the policy's margins; its evidence goes into the pack.",
        ),
    ] = None,
    tester: Annotated[str, typer.Option(metavar="NAME", help="Who ran the tests.", show_default=False)] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    min_cell: Annotated[
        int,
        typer.Option(
            "--min-cell",
            metavar="N",
            min=0,
            show_default=False,
            help="Leave cells of fewer patients out of the whole pack.  default: as the run; else it is restricted",
        ),
    ] = 0,
    debug: Debug = False,
) -> None:
    """Make the documentation pack of a finished run: one zip for those who review, sign and check it."""
    from audit._cli.packing import PackWords, pack_run

    del debug
    with ExitStack() as held:
        folder = held.enter_context(held_run(locate(run)))
        other = None if baseline is None else held.enter_context(held_run(locate(baseline)))
        words = PackWords(
            standards=standard or (), sign=sign, pdf=pdf, hazards=hazards, anomalies=anomalies, timestamp=timestamp,
            timestamp_ca=timestamp_ca, commit=commit, repository=repository, signers=allowed_signers, policy=policy,
            baseline=other, validation=validation, tester=tester, min_cell=min_cell,
        )  # fmt: skip
        raise typer.Exit(pack_run(folder, out, words, overwrite=overwrite))
