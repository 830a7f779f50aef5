"""The command line: `audit --help`. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from audit import __version__
from audit._cli.shell import Debug, answer

Profile = Literal["smoke", "standard", "full"]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.", show_default=False)]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder of the run.  default: audit-runs/<UTC time>", show_default=False),
]
Workers = Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Parallel workers.")]
MinCell = Annotated[
    int,
    typer.Option(
        "--min-cell", metavar="N", min=0, show_default=False,
        help="Leave cells of fewer patients out of report, summary, JUnit and SARIF.  default: none",
    ),
]  # fmt: skip
Github = Annotated[bool, typer.Option("--github", help="Print GitHub annotations, too; always on its runners.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run that is in the folder.")]

app = typer.Typer(
    name="audit",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
reference = typer.Typer(help="The reference models that the suite ships.", rich_markup_mode="rich")
app.add_typer(reference, name="reference")
registry = typer.Typer(help="The gate on an MLflow registry.", rich_markup_mode="rich")
app.add_typer(registry, name="registry")
Isolate = Annotated[bool, typer.Option("--isolate/--no-isolate", help="Load the model in a process of its own.")]
Seconds = Annotated[float, typer.Option("--seconds", metavar="S", min=1, help="Time that this process has.")]
Memory = Annotated[float, typer.Option("--memory", metavar="GIB", min=1, help="Address space that it has.")]
Root = Annotated[Path, typer.Option("--root", metavar="DIR", help="Configurations and policies lie below it.")]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; no traceback unless `--debug` asks for it.

    Args:
        argv: The words after `audit`; by default those of the process.
    """
    return answer(app, list(sys.argv[1:] if argv is None else argv))


@app.callback(invoke_without_command=True, epilog="Example: [bold]audit demo[/bold]   ·   Exit codes: 0 PASS, 1 FAIL, "
              "2 wrong use or input, 3 INCONCLUSIVE, 4 internal error")  # fmt: skip
def start(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Debug = False,
) -> None:
    """Audit a medical-imaging model before it is released: PASS, FAIL or INCONCLUSIVE, with the evidence."""
    del debug
    if version:
        typer.echo(f"imaging-audit {__version__}")
        raise typer.Exit(0)
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), nl=False)
        # An empty command in a pipeline must not look like a gate that passed.
        raise typer.Exit(2)


@app.command(epilog="Example: [bold]audit demo --twin healthy --profile smoke --out demo-run[/bold]")
def demo(
    twin: Annotated[str, typer.Option(metavar="NAME", help="Which reference model.")] = "biased",
    out: Out = None,
    profile: Annotated[Profile, typer.Option(help="How much to spend.")] = "standard",
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the run.")] = 1,
    workers: Workers = 1,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Audit an embedded reference model on its embedded cohort; no file and no network needed.

    The default twin has learnt shortcuts, so its audit FAILs and the exit code is 1.
    """
    from audit._cli.runs import run_demo

    del debug
    raise typer.Exit(run_demo(twin, out, profile=profile, seed=seed, workers=workers, overwrite=overwrite))


@app.command(epilog="Example: [bold]audit run audit.toml --profile smoke --probes 'PERF001,FAIR*' --out run1[/bold]")
def run(
    config: Annotated[Path, typer.Argument(metavar="audit.toml", help="The configuration.", show_default=False)],
    out: Out = None,
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
    workers: Workers = 1,
    executor: Annotated[Literal["local"], typer.Option(help="Where the probes run.")] = "local",
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
    github: Github = False,
    debug: Debug = False,
) -> None:
    """Audit the model that a configuration describes."""
    from audit._cli.runs import run_config

    del debug, executor
    raise typer.Exit(run_config(
        config, out, profile, probes, seed=seed, workers=workers, overwrite=overwrite, min_cell=min_cell,
        github=github,
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
        Path | None,
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
    raise typer.Exit(gate_run(run, policy, baseline, github=github))


@app.command(
    epilog="Example: [bold]audit compare champion candidate --out comparison.html[/bold]   ·   Exit codes: as any "
    "verdict where the policy has margins; without margins 0, or 3 where the runs cannot be paired"
)
def compare(
    baseline: Annotated[Path, typer.Argument(metavar="A", help="The baseline's run.", show_default=False)],
    candidate: Annotated[Path, typer.Argument(metavar="B", help="The candidate's run.", show_default=False)],
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
    raise typer.Exit(compare_runs(baseline, candidate, policy, out, min_cell=min_cell))


@app.command(
    epilog="Example: [bold]audit verify audit-runs/20261122T101500Z[/bold]   or   "
    "[bold]audit verify pack.zip --key release.pub[/bold]   ·   Exit codes: 0 intact, 1 changed, 2 unreadable"
)
def verify(
    run: Annotated[Path, typer.Argument(metavar="RUN|PACK", help="A run's folder, or a pack.", show_default=False)],
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
    raise typer.Exit(verify_run(run, key))


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
    raise typer.Exit(write_report(run, out, static=static, min_cell=min_cell))


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
        Path | None,
        typer.Option(
            metavar="FILE", help="Commit object of the policy, as git cat-file prints it.", show_default=False
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
    words = PackWords(
        standards=standard or (), sign=sign, pdf=pdf, hazards=hazards, anomalies=anomalies, timestamp=timestamp,
        timestamp_ca=timestamp_ca, commit=commit, policy=policy, validation=validation, tester=tester,
        min_cell=min_cell,
    )  # fmt: skip
    raise typer.Exit(pack_run(run, out, words, overwrite=overwrite))


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


@registry.command(
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


Map = Annotated[
    Path,
    typer.Option(
        "--map", metavar="FILE", help="Your own TOML file, [models.NAME]: config, policy, alias.", show_default=False
    ),
]
State = Annotated[Path, typer.Option("--state", metavar="DIR", help="Folder of the gate: its queue and its runs.")]
Isolated = Annotated[bool, typer.Option("--isolate/--no-isolate", help="Load models in a process of their own.")]


@registry.command("watch", epilog="Example: [bold]audit registry watch --map gate.toml --root /srv/audits[/bold]")
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


@registry.command(
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


@reference.command("list", epilog="Example: [bold]audit reference list[/bold]")
def reference_list(debug: Debug = False) -> None:
    """List the reference models; the first word of each row is the name."""
    from audit._cli.reference import list_models

    del debug
    raise typer.Exit(list_models())


@reference.command("build", epilog="Example: [bold]audit reference build gender-biased --out rebuilt[/bold]")
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


@reference.command("audit", epilog="Example: [bold]audit reference audit gender-biased --out biased-run[/bold]")
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


if __name__ == "__main__":
    sys.exit(main())
