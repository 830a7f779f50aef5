"""Commands that audit: `demo`, `run`, `scores`, `init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from audit._cli.commands._options import (
    Github,
    MinCell,
    Out,
    OutPlace,
    Overwrite,
    Profile,
    ProfileTime,
    Workers,
    WorkersOrAll,
)
from audit._cli.shell import Debug
from audit.storage import locate

app = typer.Typer()


@app.command(epilog="Example: [bold]audit demo --twin healthy --profile smoke --out demo-run[/bold]")
def demo(
    twin: Annotated[str, typer.Option(metavar="NAME", help="Which reference model.")] = "biased",
    out: Out = None,
    profile: Annotated[Profile, typer.Option(help="How much to spend.")] = "standard",
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the run.")] = 1,
    workers: Workers = 1,
    overwrite: Overwrite = False,
    profile_time: ProfileTime = False,
    debug: Debug = False,
) -> None:
    """Audit an embedded reference model on its embedded cohort; no file and no network needed.

    The default twin has learnt shortcuts, so its audit FAILs and the exit code is 1.
    """
    from audit._cli.runs import run_demo

    del debug
    raise typer.Exit(run_demo(
        twin, out, profile=profile, seed=seed, workers=workers, overwrite=overwrite, profile_time=profile_time,
    ))  # fmt: skip


@app.command(epilog="Example: [bold]audit run audit.toml --profile smoke --probes 'PERF001,FAIR*' --out run1[/bold]")
def run(
    config: Annotated[Path, typer.Argument(metavar="audit.toml", help="The configuration.", show_default=False)],
    out: OutPlace = None,
    profile: Annotated[
        Profile | None, typer.Option(help="How much to spend.  default: as in audit.toml", show_default=False)
    ] = None,
    probes: Annotated[
        str | None,
        typer.Option(metavar="CODES", help="Codes, families or globs with commas.  default: all", show_default=False),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Seed of the run.  default: as in audit.toml", show_default=False),
    ] = None,
    workers: WorkersOrAll = None,
    executor: Annotated[Literal["local", "ray"], typer.Option(help="This machine, or a Ray cluster.")] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDR",
            show_default=False,
            help="Of the Ray cluster, host:port.  default: RAY_ADDRESS, else one is started for this run",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Take up a run that was stopped; on nothing it starts afresh."),
    ] = False,
    overwrite: Overwrite = False,
    min_cell: Annotated[
        int | None,
        typer.Option(
            "--min-cell",
            metavar="N",
            min=0,
            show_default=False,
            help="Leave cells of fewer patients out of report, summary, JUnit and SARIF.  default: as in audit.toml",
        ),
    ] = None,
    profile_time: ProfileTime = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print what would be done and about how long it takes, and do nothing.")
    ] = False,
    github: Github = False,
    debug: Debug = False,
) -> None:
    """Audit the model that a configuration describes."""
    from audit._cli.runs import plan_config, run_config

    if plan:
        raise typer.Exit(plan_config(config, profile, probes, workers=workers))
    del debug
    raise typer.Exit(run_config(
        config, None if out is None else locate(out),
        profile, probes, seed=seed, workers=workers, executor=executor, address=address,
        overwrite=overwrite, resume=resume, min_cell=min_cell, profile_time=profile_time, github=github,
    ))  # fmt: skip


@app.command(epilog="Example: [bold]audit scores scores.csv --target label --score score --patient patient_id "
             "--attributes sex,age[/bold]")  # fmt: skip
def scores(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV or Parquet, a row a case, any column names.", show_default=False)
    ],
    target: Annotated[str, typer.Option("--target", metavar="COL", help="The reference standard.", show_default=False)],
    score: Annotated[
        str,
        typer.Option(
            "--score",
            metavar="COL",
            show_default=False,
            help="The model's score; with commas one column a class, in the order of the classes.",
        ),
    ],
    patient: Annotated[
        str | None,
        typer.Option(
            "--patient",
            metavar="COL",
            show_default=False,
            help="Who is sampled.  default: every case is its own patient",
        ),
    ] = None,
    attributes: Annotated[
        str | None,
        typer.Option(
            "--attributes",
            metavar="A,B",
            show_default=False,
            help="Protected attributes; numbers are grouped, ages at 40 and 60, others into thirds.",
        ),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy",
            metavar="FILE",
            show_default=False,
            help="The limits.  default: one is proposed, nothing is judged",
        ),
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(
            "--positive",
            metavar="V",
            show_default=False,
            help="Values of the target that count as positive, with commas.",
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes", metavar="A,B,C", show_default=False, help="Names of the classes, in the order of the scores."
        ),
    ] = None,
    output: Annotated[
        Literal["probabilities", "logits", "value"] | None,
        typer.Option(
            "--output",
            show_default=False,
            help="What the scores are; with value and a numeric target a regression.  default: probabilities",
        ),
    ] = None,
    operating_point: Annotated[
        float | None,
        typer.Option(
            "--operating-point",
            metavar="X",
            show_default=False,
            help="Threshold in use, on the probability scale.  default: 0.5 is assumed, none under a policy",
        ),
    ] = None,
    case: Annotated[
        str | None,
        typer.Option("--case", metavar="COL", help="Ids of the cases.  default: the row", show_default=False),
    ] = None,
    out: Out = None,
    profile: Annotated[Profile, typer.Option(help="How much to spend.")] = "standard",
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the run.")] = 1,
    overwrite: Overwrite = False,
    min_cell: MinCell = 0,
    debug: Debug = False,
) -> None:
    """Saved predictions to a report in one command.

    Without a policy it measures, proposes one from the numbers of patients, and ends INCONCLUSIVE.
    """
    from audit._cli.scoring import Words, score_file

    del debug
    words = Words(
        target=target, score=score, patient=patient, attributes=attributes, policy=policy, positive=positive,
        classes=classes, output=output, operating_point=operating_point, case=case,
    )  # fmt: skip
    raise typer.Exit(score_file(
        file, words, out, profile=profile, seed=seed, overwrite=overwrite, min_cell=min_cell,
    ))  # fmt: skip


@app.command(
    epilog="Example: [bold]audit init cases.csv --model model.onnx[/bold]   then   [bold]audit run audit.toml[/bold]"
)
def init(
    manifest: Annotated[
        Path, typer.Argument(metavar="MANIFEST", help="CSV or Parquet, a row a case.", show_default=False)
    ],
    model: Annotated[
        Path, typer.Option("--model", metavar="FILE", help="Weights, or saved predictions.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The configuration to write.")] = Path(
        "audit.toml"
    ),
    factory: Annotated[
        str | None,
        typer.Option(metavar="MODULE:OBJECT", help="Builds the architecture of torch weights.", show_default=False),
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The reference standard.  default: guessed", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    debug: Debug = False,
) -> None:
    """Look at a manifest and a model, and write a commented audit.toml and policy.toml that run as they are."""
    from audit._cli.starting import write_start

    del debug
    raise typer.Exit(write_start(manifest, model, out, factory=factory, target=target, force=force))
