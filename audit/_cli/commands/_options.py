"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Profile = Literal["smoke", "standard", "full"]
# Texts, not paths: a Path would take one slash out of s3://.
RunFolder = Annotated[
    str, typer.Argument(metavar="RUN", help="Folder of a finished run, or its URL, s3://...", show_default=False)
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder of the run.  default: audit-runs/<UTC time>", show_default=False),
]
OutPlace = Annotated[
    str | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Folder of the run, or a URL, s3://...  default: audit-runs/<UTC time>",
        show_default=False,
    ),
]
Workers = Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Parallel workers.")]
WorkersOrAll = Annotated[
    int | None,
    typer.Option(
        "--workers", metavar="N", min=1, show_default=False,
        help="Parallel workers.  default: 1, with --executor ray one a processor of the cluster",
    ),
]  # fmt: skip
MinCell = Annotated[
    int,
    typer.Option(
        "--min-cell", metavar="N", min=0, show_default=False,
        help="Leave cells of fewer patients out of report, summary, JUnit and SARIF.  default: none",
    ),
]  # fmt: skip
Github = Annotated[bool, typer.Option("--github", help="Print GitHub annotations, too; always on its runners.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run that is in the folder.")]
ProfileTime = Annotated[
    bool, typer.Option("--profile-time", help="Say where the time went, in the evidence and the report, too.")
]
Isolate = Annotated[bool, typer.Option("--isolate/--no-isolate", help="Load the model in a process of its own.")]
Seconds = Annotated[float, typer.Option("--seconds", metavar="S", min=1, help="Time that this process has.")]
Memory = Annotated[float, typer.Option("--memory", metavar="GIB", min=1, help="Address space that it has.")]
Root = Annotated[Path, typer.Option("--root", metavar="DIR", help="Configurations and policies lie below it.")]
Map = Annotated[
    Path,
    typer.Option(
        "--map", metavar="FILE", help="Your own TOML file, [models.NAME]: config, policy, alias.", show_default=False
    ),
]
State = Annotated[Path, typer.Option("--state", metavar="DIR", help="Folder of the gate: its queue and its runs.")]
Isolated = Annotated[bool, typer.Option("--isolate/--no-isolate", help="Load models in a process of their own.")]
