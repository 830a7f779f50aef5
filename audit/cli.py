"""The command line: `audit --help`. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from audit import __version__
from audit._cli import commands
from audit._cli.shell import Debug, answer

app = typer.Typer(
    name="audit",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
for group in (commands.auditing, commands.evidence, commands.about):
    app.add_typer(group)
app.add_typer(commands.reference, name="reference")
app.add_typer(commands.registry, name="registry")


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


if __name__ == "__main__":
    sys.exit(main())
