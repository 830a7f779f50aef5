"""A pack made again from what it holds: whatever does not come out the same was written by somebody else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import audit
from audit.core import Policy
from audit.errors import AuditError, EvidenceError, MissingExtraError
from audit.evidence import EVIDENCE, card_of, from_plain, read_predictions, run_moments
from audit.pack._against import BASELINE, Against, Baseline, held_against
from audit.pack._claims import claim_faults
from audit.pack._inputs import INPUTS, Inputs, read_inputs
from audit.pack._make import pack_files
from audit.pack._prior import Given, given_again, given_files, prior_definition, prior_words
from audit.pack._read import ENVELOPE, MANIFEST, PDF, SUMS, VALIDATION, Pack, read_json
from audit.pack._runs import lines_on, run_history
from audit.pack._share import PREDICTIONS, Left, Shared, shared_again
from audit.pack._source import Source
from audit.standards import load_standards

_LOG = "log.jsonl"
_NOT_MADE = (SUMS, ENVELOPE, PDF)


_MOST_NAMED = 6


@dataclass(frozen=True, kw_only=True)
class Remade:
    """What became of the documents of a pack that was made again.

    Args:
        faults: A sentence for each file that differs, naming it.
        notes: Sentences on what was and what was not checked.
        not_made: What this version cannot make again, since another one wrote it.
        printed: What no version makes again.
    """

    faults: tuple[str, ...]
    notes: tuple[str, ...] = ()
    not_made: tuple[str, ...] = ()
    printed: tuple[str, ...] = ()


def remade_faults(pack: Pack, read_policy: Callable[[bytes], Policy]) -> Remade:
    """Make every document and every list of a pack again, and hold them against those of the pack.

    Documents of another version may have other words. They are made again all the same; where they come out otherwise,
    what they claim that counts most is held against the rest of the pack, and the others are named as not made again.

    Args:
        pack: A pack whose bytes are those that its SHA256SUMS lists.
        read_policy: Reads a policy file.

    Raises:
        EvidenceError: Another version made the pack, and this one cannot read what it was made from.
        MissingExtraError: The pack holds a time stamp or a commit, and the extra that checks them is not installed.
    """
    if INPUTS not in pack.files:
        return Remade(faults=(f"{INPUTS}: absent",))
    try:
        inputs = read_inputs(pack.files[INPUTS])
    except EvidenceError as error:
        return Remade(faults=(f"{INPUTS}: {error.problem}: {error.got}",))
    late = tuple(f"{INPUTS}: {text}" for text in _ledger_faults(pack, inputs))
    other = inputs.made_with != audit.__version__
    try:
        given = given_again(pack.files, read_policy)
        source = _source(pack, inputs, given)
        made = pack_files(source, given, pdf=PDF in pack.files)
    except MissingExtraError:
        # A proof of prior definition that cannot be read here must not spare the documents from being checked.
        raise
    except (AuditError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        text = error.problem if isinstance(error, AuditError) else f"{type(error).__name__}: {error}"
        if other:
            raise EvidenceError(
                "the pack was made with another version, and this one cannot read what it was made from",
                expected=f"a pack of imaging-audit {audit.__version__}", got=f"{inputs.made_with[:40]}: {text[:120]}",
                fix="check it with the version that made it",
            ) from error  # fmt: skip
        return Remade(faults=(f"{MANIFEST}: the documents cannot be made again from this pack: {text[:120]}",))
    held = {name: data for name, data in pack.files.items() if name not in _NOT_MADE}
    printed = (PDF,) if PDF in pack.files else ()
    said = prior_words(source.prior) if given_files(given) else ()
    if other and made != held:
        return Remade(
            faults=(*late, *_claimed(pack, source)), notes=(*said, _otherwise(inputs, made, held)),
            not_made=("documents",), printed=printed,
        )  # fmt: skip
    faults = [f"{name}: absent" for name in sorted(made.keys() - held.keys())]
    faults += [f"{name}: nothing in this pack makes such a file" for name in sorted(held.keys() - made.keys())]
    faults += [
        f"{name}: does not say what the rest of the pack says" for name in sorted(made.keys() & held.keys())
        if made[name] != held[name]
    ]  # fmt: skip
    notes = (*said, *_unseen(pack, len(held) - len(pack.run_files())))
    return Remade(faults=(*late, *faults), notes=notes, printed=printed)


def _claimed(pack: Pack, source: Source) -> tuple[str, ...]:
    try:
        return tuple(claim_faults(pack, source))
    except (EvidenceError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return (f"{MANIFEST}: cannot be held against the rest of the pack: {type(error).__name__}: {error}"[:160],)


def _otherwise(inputs: Inputs, made: Mapping[str, bytes], held: Mapping[str, bytes]) -> str:
    """Return a sentence on files that another version wrote otherwise, or that somebody wrote who says so."""
    names = sorted(name for name in made.keys() | held.keys() if made.get(name) != held.get(name))
    more = len(names) - _MOST_NAMED
    named = ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return (
        f"The pack says that imaging-audit {inputs.made_with} made it, this is {audit.__version__}: {named} cannot be "
        "made again here. That they do not state a better outcome, prior definition that was not shown or other runs "
        "was checked; what else they say was not. Check the pack with the version that made it."
    )


def _ledger_faults(pack: Pack, inputs: Inputs) -> tuple[str, ...]:
    """Return where the ledger's lines of this run do not fit the times that its evidence and its log state."""
    files = pack.run_files()
    evidence, log = from_plain(read_json(files[EVIDENCE])), files.get(_LOG)
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
    evidence = from_plain(read_json(files[EVIDENCE]))
    shared = shared_again(evidence, files, inputs.dropped, manifest)
    stored = read_predictions(files[PREDICTIONS])
    validation = pack.files.get(VALIDATION)
    return Source(
        shared=shared, stored=stored, card=card_of(evidence.model), inputs=inputs,
        against=_against(pack, shared),
        prior=prior_definition(evidence, given, log=files.get(_LOG), ledger=inputs.ledger),
        history=run_history(evidence, inputs.ledger), validation=None if validation is None else read_json(validation),
        standards=load_standards(tuple(str(s) for s in manifest["standards"])),
    )  # fmt: skip


def _against(pack: Pack, shared: Shared) -> Against | None:
    files = {n.removeprefix(BASELINE): data for n, data in pack.files.items() if n.startswith(BASELINE)}
    if not files:
        return None
    baseline = Baseline(
        evidence=from_plain(read_json(files[EVIDENCE])), files=files,
        derived=tuple(Left(**f) for f in pack.manifest["baseline_derived"]),
    )  # fmt: skip
    return held_against(shared.evidence, read_predictions(shared.files[PREDICTIONS]), baseline, shared.least)
