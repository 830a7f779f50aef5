"""A pack made again from what it holds: whatever does not come out the same was written by somebody else."""

from __future__ import annotations

import json
from collections.abc import Callable

import audit
from audit.core import Policy
from audit.errors import AuditError, EvidenceError, MissingExtraError
from audit.evidence import EVIDENCE, card_of, from_plain, read_predictions, run_moments
from audit.pack._against import BASELINE, Against, Baseline, held_against
from audit.pack._inputs import INPUTS, Inputs, read_inputs
from audit.pack._make import pack_files
from audit.pack._prior import Given, given_again, given_files, prior_definition, prior_words
from audit.pack._read import ENVELOPE, MANIFEST, PDF, SUMS, VALIDATION, Pack
from audit.pack._runs import lines_on, run_history
from audit.pack._share import PREDICTIONS, Left, Shared, shared_again
from audit.pack._source import Source
from audit.standards import load_standards

_LOG = "log.jsonl"
_NOT_MADE = (SUMS, ENVELOPE, PDF)


def remade_faults(pack: Pack, read_policy: Callable[[bytes], Policy]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Make every document and every list of a pack again, and return what differs and what was not made again.

    Args:
        pack: A pack whose bytes are those that its SHA256SUMS lists.
        read_policy: Reads a policy file.

    Returns:
        A sentence for each file that differs, naming it, and sentences on what could not be checked.

    Raises:
        MissingExtraError: The pack holds a time stamp or a commit, and the extra that checks them is not installed.
    """
    if INPUTS not in pack.files:
        return (f"{INPUTS}: absent",), ()
    try:
        inputs = read_inputs(pack.files[INPUTS])
    except EvidenceError as error:
        return (f"{INPUTS}: {error.problem}: {error.got}",), ()
    late = tuple(f"{INPUTS}: {text}" for text in _ledger_faults(pack, inputs))
    if inputs.made_with != audit.__version__:
        return late, (
            f"The documents were made with imaging-audit {inputs.made_with}, this is {audit.__version__}: whether they "
            "say what the evidence says was not checked.",
        )
    try:
        given = given_again(pack.files, read_policy)
        source = _source(pack, inputs, given)
        made = pack_files(source, given, pdf=PDF in pack.files)
    except MissingExtraError:
        # A proof of prior definition that cannot be read here must not spare the documents from being checked.
        raise
    except (AuditError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        text = error.problem if isinstance(error, AuditError) else f"{type(error).__name__}: {error}"
        return (f"{MANIFEST}: the documents cannot be made again from this pack: {text[:120]}",), ()
    held = {name: data for name, data in pack.files.items() if name not in _NOT_MADE}
    faults = [f"{name}: absent" for name in sorted(made.keys() - held.keys())]
    faults += [f"{name}: nothing in this pack makes such a file" for name in sorted(held.keys() - made.keys())]
    faults += [
        f"{name}: does not say what the rest of the pack says" for name in sorted(made.keys() & held.keys())
        if made[name] != held[name]
    ]  # fmt: skip
    said = prior_words(source.prior) if given_files(given) else ()
    return (*late, *faults), (*said, *_unseen(pack, len(held) - len(pack.run_files())))


def _ledger_faults(pack: Pack, inputs: Inputs) -> tuple[str, ...]:
    """Return where the ledger's lines of this run do not fit the times that its evidence and its log state."""
    files = pack.run_files()
    evidence, log = from_plain(json.loads(files[EVIDENCE])), files.get(_LOG)
    if inputs.ledger is None or run_moments(evidence, log).faults:
        return ()
    try:
        return run_moments(evidence, log, lines_on(evidence, inputs.ledger)[0]).faults
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return (f"has lines of the ledger that cannot be read: {type(error).__name__}: {error}"[:120],)


def _unseen(pack: Pack, files: int) -> tuple[str, ...]:
    said = f"{files} documents and lists were made again from evidence, predictions and {INPUTS}, byte for byte."
    if PDF not in pack.files:
        return (said,)
    return said, (
        f"{PDF} was printed by a browser and was not made again: whether its pages are those in documents/ was not "
        "checked."
    )


def _source(pack: Pack, inputs: Inputs, given: Given) -> Source:
    files, manifest = pack.run_files(), pack.manifest
    evidence = from_plain(json.loads(files[EVIDENCE]))
    shared = shared_again(evidence, files, inputs.dropped, manifest)
    stored = read_predictions(files[PREDICTIONS])
    validation = pack.files.get(VALIDATION)
    return Source(
        shared=shared, stored=stored, card=card_of(evidence.model), inputs=inputs,
        against=_against(pack, shared),
        prior=prior_definition(evidence, given, log=files.get(_LOG), ledger=inputs.ledger),
        history=run_history(evidence, inputs.ledger), validation=None if validation is None else json.loads(validation),
        standards=load_standards(tuple(str(s) for s in manifest["standards"])),
    )  # fmt: skip


def _against(pack: Pack, shared: Shared) -> Against | None:
    files = {n.removeprefix(BASELINE): data for n, data in pack.files.items() if n.startswith(BASELINE)}
    if not files:
        return None
    baseline = Baseline(
        evidence=from_plain(json.loads(files[EVIDENCE])), files=files,
        derived=tuple(Left(**f) for f in pack.manifest["baseline_derived"]),
    )  # fmt: skip
    return held_against(shared.evidence, read_predictions(shared.files[PREDICTIONS]), baseline, shared.least)
