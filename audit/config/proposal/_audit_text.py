"""audit.toml as text, with a comment on every guess."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from audit.config._faults import listed, one_line
from audit.config.proposal._images import Images
from audit.config.proposal._manifest import Column, Manifest
from audit.config.proposal._model import Model

GUESS = "# guess: confirm"


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """Everything that was seen.

    Args:
        manifest: The columns.
        model: The model file.
        images: A few images.
        task: The task proposed.
        classes: Names of the classes, negative first for a binary task.
        positive: Values of the target that count as positive.
        manifest_path: The manifest, relative to the configuration.
        model_path: The model, relative to the configuration.
    """

    manifest: Manifest
    model: Model
    images: Images
    task: str
    classes: tuple[str, ...]
    positive: tuple[str, ...]
    manifest_path: str
    model_path: str

    @property
    def ignored(self) -> tuple[str, ...]:
        """Columns of the manifest that nothing uses."""
        return tuple(c for c in self.manifest.ignored if c not in self.model.scores)


def quoted(text: str) -> str:
    """Return a TOML string on one line."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def key(name: str) -> str:
    """Return a TOML key, in quotes where it must be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)


def array(values: Iterable[object]) -> str:
    """Return a TOML array of texts or numbers."""
    return "[" + ", ".join(quoted(v) if isinstance(v, str) else f"{v:g}" for v in values) + "]"


def audit_text(seen: Seen) -> str:
    """Return audit.toml."""
    lines = [
        "# Written by 'audit init' after a look at the manifest and the model; nothing in the model was run.",
        f"# Every line that ends in '{GUESS[2:]}' is a guess: read it, correct it, then take the mark away.",
        "",
        *_intended_use(),
        *_model(seen),
        *(_input(seen) if seen.model.kind != "predictions" else ()),
        *_cohort(seen),
        "",
        "[audit]",
        'policy = "policy.toml"',
        'profile = "standard"                   # smoke: a quick look; full: before a release',
        "seed = 1",
        *(_threat_model() if seen.model.kind != "predictions" else ()),
        *(_envelope() if seen.model.kind != "predictions" else ()),
    ]
    return "\n".join(lines) + "\n"


def _threat_model() -> Iterator[str]:
    yield ""
    yield "# Against whom must the model stand? The files do not tell, so nothing is proposed. Without it attacks are"
    yield "# stress measurements, and no rule on them should block. Fill in all three lines and take the '#' away:"
    yield "# [audit.threat_model]"
    yield '# who = "…"     # who could alter an image'
    yield '# pixels = "…"  # which pixels, and by how much'
    yield '# where = "…"   # at which place between the scanner and the model'


_EXAMPLES = ("ct_dose", "mr_contrast", "xray_dose", "us_gain", "photo_exposure", "microscopy_haematoxylin")


def _envelope() -> Iterator[str]:
    from audit.acquisition import KNOBS

    yield ""
    yield "# How far do the scanners in use differ from those of this cohort? The files do not tell, so nothing is"
    yield "# proposed. Without it SHIFT002 explores, and no rule can rest on what it finds. Declare modality in"
    yield "# [model.input], fill in the ranges of your protocols (0: as the cohort is) and where they come from, and"
    yield "# take the '#' away. These lines only show the form, one for each modality; docs/acquisition has all:"
    yield "# [envelope]"
    yield "# tolerated_drop = 0.05                 # loss of AUC, of a rate or of Dice at which a severity is critical"
    yield "# [envelope.knobs]"
    for name in _EXAMPLES:
        knob, step = KNOBS[name], KNOBS[name].ladder[0]
        ends = array([max(knob.least, -step), step])
        yield f'# {name} = {{ range = {ends}, source = "…" }}   # {knob.amount}, {knob.unit}'


def _intended_use() -> list[str]:
    return [
        "# [intended_use]                        # what the numbers are for; predictive values need the prevalence",
        '# statement = "…"',
        '# role = "triage"',
        '# prevalence = { value = 0.04, low = 0.02, high = 0.08, source = "…" }',
        "",
    ]


def _model(seen: Seen) -> Iterator[str]:
    model = seen.model
    yield "[model]"
    yield f'kind = "{model.kind}"'
    if model.kind != "callable":
        yield f"path = {quoted(seen.model_path)}"
    if model.factory is not None:
        yield f"factory = {quoted(model.factory)}"
    if model.case is not None:
        yield f"case = {quoted(model.case)}"
    if len(model.scores) == 1:
        yield f"score = {quoted(model.scores[0])}   {GUESS}"
    elif model.scores:
        yield f"scores = {array(model.scores)}   {GUESS}, in the order of classes"
    yield f'task = "{seen.task}"   {GUESS}'
    if seen.classes:
        order = "the negative one first" if seen.task == "binary" else "in the order of the model's outputs"
        yield f"classes = {array(seen.classes)}   {GUESS}, {order}"
    yield from _output(seen)


def _output(seen: Seen) -> Iterator[str]:
    if seen.task == "regression":
        yield f'output = "value"   {GUESS}'
        return
    origin = "the last step of the graph suggests it" if seen.model.output_seen else "logits or probabilities"
    yield f'output = "{seen.model.output}"   {GUESS}: {origin}'
    if seen.task == "binary":
        yield f"operating_point = 0.5   {GUESS}: the threshold in use; choose it on other cases than these"
        yield 'operating_point_source = "not declared"'


def _input(seen: Seen) -> Iterator[str]:
    images, model = seen.images, seen.model
    size = model.size or images.size
    low, high = images.range
    seen_range = f"{images.read} images of type {images.dtype} hold {images.low:g} to {images.high:g}"
    yield ""
    yield "[model.input]"
    yield '# modality = "…"                        # ct · mr · xray · us · photo · microscopy'
    yield '# unit = "grey level"'
    if images.read:
        yield f"range = {array([low, high])}   {GUESS}: stored intensities that the model maps to 0 and 1; {seen_range}"
    else:
        yield f"range = [0, 1]   {GUESS}: no image could be read"
    if size:
        yield f"size = {array(size)}" + ("" if model.size else f"   {GUESS}")
    yield f"channels = {model.channels or images.channels}" + ("" if model.channels else f"   {GUESS}")
    yield f"# normalise = {{ mean = [0.5], std = [0.25] }}   {GUESS}: as in training, after mapping to 0 and 1;"
    yield "#                                       no file shows it, and without it a model can look broken"
    yield "# scale = false                         # where the model takes stored intensities as they are"
    if images.sizes > 1 or (size and images.size and tuple(size) != tuple(images.size)):
        yield f'resize = "bilinear"   {GUESS}: images of another size; without this line such cases are set aside'


def _cohort(seen: Seen) -> Iterator[str]:
    table = seen.manifest
    yield ""
    yield "[cohort]"
    yield f"manifest = {quoted(seen.manifest_path)}"
    if table.image is not None and seen.model.kind != "predictions":
        yield f"image = {quoted(table.image)}   {GUESS}"
    if table.case is not None:
        yield f"case = {quoted(table.case)}   {GUESS}"
    yield f"target = {quoted(table.target)}   {GUESS}"
    if seen.positive:
        counts_as = one_line(seen.classes[1])
        yield f"positive = {array(seen.positive)}   {GUESS}: values of the target that count as {counts_as}"
    if table.patient is not None:
        yield f"patient = {quoted(table.patient)}   {GUESS}: who is sampled; one name a patient"
    else:
        yield '# patient = "…"                         # none was found: every case counts as its own patient'
    if table.mask is not None and seen.model.kind != "predictions":
        yield f"mask = {quoted(table.mask)}   {GUESS}"
    if table.split is not None and table.split_value is not None:
        yield f"split = {quoted(table.split)}   {GUESS}"
        yield f"split_value = {quoted(table.split_value)}   {GUESS}: the rows that the model has never seen"
    yield "# [cohort.sampling]"
    yield '# design = "consecutive"                 # consecutive · random · case-control · enriched'
    if table.method is not None:
        yield "[cohort.reference]"
        yield f"method = {quoted(table.method)}   {GUESS}"
    if table.attributes:
        yield "# roles: protected · confounder · protocol · severity · rater · repeat · covariate"
        yield "[cohort.attributes]"
        yield from (_attribute(a) for a in table.attributes)
    if seen.ignored:
        yield f"# columns left out: {listed(seen.ignored)}"


def _attribute(a: Column) -> str:
    fields = [f'role = "{a.role}"']
    if a.role == "confounder":
        fields.append('reason = "its name suggests that it is no part of the disease"')
    if a.bins:
        fields.append(f"bins = {array(a.bins)}")
    empty = f", {a.empty} empty" if a.empty else ""
    return f"{key(a.name)} = {{ {', '.join(fields)} }}   {GUESS}: {a.levels} values{empty}"
