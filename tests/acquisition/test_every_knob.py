"""What every knob must do: nothing at severity 0, the same from the same parameters, and nothing outside the field."""

from __future__ import annotations

import json

import numpy as np
import pytest

from audit.acquisition import KNOBS, STAGES, Change, Frame, Knob, apply, describe, field_of, frame_of, knobs_of
from audit.core import MODALITIES
from audit.testing import Scene, scene

SIZE = 48


def made(knob: Knob, *, planes: int | None = None) -> Scene:
    """Return a small scene that a knob can change."""
    many = 8 if knob.volumes else 0
    return scene(knob.modality, size=SIZE, planes=many if planes is None else planes)


def severities(knob: Knob) -> tuple[float, ...]:
    """Return severities of every direction, the weakest and the strongest of its ladder."""
    up = (knob.ladder[0], knob.ladder[-1])
    return (*up, *(max(-s, knob.least) for s in up)) if knob.both else up


EVERY = pytest.mark.parametrize("knob", KNOBS.values(), ids=list(KNOBS))


@EVERY
def test_severity_0_is_the_identity_bit_for_bit(knob: Knob) -> None:
    """The image comes back with its type and every bit, as an array of its own."""
    s = made(knob)
    for image in (s.image, s.image.astype(np.float64) + 0.25):
        spec = describe(image, frame_of(s.input))
        out = apply(image, knob.sample(0.0, spec, np.random.default_rng(0)))
        assert out.dtype == image.dtype
        assert out.tobytes() == image.tobytes()
        assert out is not image


@EVERY
def test_parameters_are_json_and_replay_the_image(knob: Knob) -> None:
    """What was drawn goes through JSON text and makes the same image bit for bit; noise has a seed of its own."""
    s = made(knob)
    spec = describe(s.image, frame_of(s.input))
    for severity in severities(knob):
        change = knob.sample(severity, spec, np.random.default_rng(3))
        again = Change.from_json(json.loads(json.dumps(change.to_json())))
        assert again == change
        first = apply(s.image, change)
        assert apply(s.image, again).tobytes() == first.tobytes()
        assert (first != s.image).any(), f"{knob.name} {severity} changes nothing"


@EVERY
def test_the_image_that_was_given_is_not_touched(knob: Knob) -> None:
    """The array keeps its content."""
    s = made(knob)
    before = s.image.copy()
    apply(s.image, knob.sample(knob.ladder[-1], describe(s.image, frame_of(s.input)), np.random.default_rng(0)))
    np.testing.assert_array_equal(s.image, before)


@EVERY
def test_the_stored_range_and_depth_are_kept(knob: Knob) -> None:
    """Whole numbers stay whole, the range is not left, nothing is lost to NaN, and an integer type stays one."""
    s = made(knob)
    frame = frame_of(s.input)
    for image in (s.image, s.image.astype(np.int16)):
        spec = describe(image, frame)
        for severity in severities(knob):
            out = apply(image, knob.sample(severity, spec, np.random.default_rng(1)))
            assert out.dtype == image.dtype
            assert np.isfinite(out).all()
            assert (out == np.round(out)).all()
            assert frame.low <= out.min() <= out.max() <= frame.high


@EVERY
def test_padding_and_air_are_not_touched(knob: Knob) -> None:
    """Outside the field every pixel keeps its value, unless the change moves the edge of the field itself."""
    s = made(knob)
    frame = frame_of(s.input)
    image = s.image.copy()
    image[..., :8] = frame.low if knob.modality != "ct" else -1024.0
    spec = describe(image, frame)
    assert not spec.field[..., :8].any()
    out = apply(image, knob.sample(knob.ladder[-1], spec, np.random.default_rng(2)))
    if not knob.kind.whole:
        np.testing.assert_array_equal(out[:, ~spec.field], image[:, ~spec.field])


@EVERY
def test_stronger_is_farther_from_the_image(knob: Knob) -> None:
    """In each direction the root mean square change grows along the ladder, for parameters of the same draws."""
    s = made(knob)
    spec = describe(s.image, frame_of(s.input))
    for sign in (1, -1) if knob.both else (1,):
        draws = [knob.sample(sign * v, spec, np.random.default_rng(5)) for v in knob.ladder if knob.least <= sign * v]
        distance = [float(np.sqrt(np.mean((apply(s.image, change) - s.image) ** 2))) for change in draws]
        assert distance == sorted(distance)


@EVERY
def test_a_knob_says_what_it_is(knob: Knob) -> None:
    """Formula, what it leaves out, its amount, why it goes one way; severities beyond its ends are refused."""
    assert knob.modality in MODALITIES
    assert knob.kind.stage in STAGES
    assert all(len(text) > 4 for text in (knob.formula, knob.approximates, knob.amount))
    assert knob.title
    assert knob.unit
    assert bool(knob.one_way) is not knob.both
    assert list(knob.ladder) == sorted(set(knob.ladder))
    assert 0 < knob.ladder[0] <= knob.ladder[-1] <= knob.most
    spec = describe(made(knob).image, frame_of(made(knob).input))
    for beyond in (knob.most * 1.01, knob.least - 0.01):
        with pytest.raises(ValueError, match="expected a severity"):
            knob.sample(beyond, spec, np.random.default_rng(0))


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_modality_has_knobs_by_default(modality: str) -> None:
    """At least three are tried where nothing is declared, single planes among them."""
    spec = describe(scene(modality, size=SIZE).image, frame_of(scene(modality, size=SIZE).input))
    standard = knobs_of(modality, standard=True)
    assert sum(k.fits(spec) for k in standard) >= 3
    assert set(standard) < set(knobs_of(modality)) or modality == "microscopy"


@pytest.mark.parametrize("name", [k.name for k in KNOBS.values() if k.modality in ("ct", "mr")])
def test_volumes_are_changed_plane_by_plane_or_whole(name: str) -> None:
    """A volume of planes is changed like an image, with its shape and its air."""
    knob = KNOBS[name]
    s = made(knob, planes=6)
    spec = describe(s.image, frame_of(s.input))
    out = apply(s.image, knob.sample(knob.ladder[-1], spec, np.random.default_rng(0)))
    assert out.shape == s.image.shape
    # A plane in the middle of a new one is what it was.
    assert (out != s.image).any(axis=(0, 2, 3)).mean() > 0.5


def test_changes_are_made_from_object_to_file() -> None:
    """Given in any order, the result is that of object, detector, reconstruction, display, file."""
    s = scene("xray", size=SIZE)
    spec = describe(s.image, frame_of(s.input))
    names = ("xray_jpeg", "xray_level", "xray_blur", "xray_scatter")
    changes = [KNOBS[n].sample(KNOBS[n].ladder[0], spec, np.random.default_rng(0)) for n in names]
    stages = [KNOBS[n].kind.stage for n in names]
    assert [STAGES.index(stage) for stage in stages] == [4, 3, 1, 0]
    assert apply(s.image, changes).tobytes() == apply(s.image, changes[::-1]).tobytes()
    # Once rounded and clipped at the end, not after each: four roundings differ from one.
    step = s.image
    for change in changes[::-1]:
        step = apply(step, change)
    assert 0 < np.abs(step - apply(s.image, changes)).max() < 0.1 * spec.frame.span


def test_changes_of_several_frames_are_refused() -> None:
    """A change that was drawn for another stored range cannot be applied with this one."""
    s = scene("mr", size=SIZE)
    spec = describe(s.image, frame_of(s.input))
    other = describe(s.image, Frame(modality="mr", low=0.0, high=255.0))
    changes = [KNOBS["mr_gain"].sample(0.1, one, np.random.default_rng(0)) for one in (spec, other)]
    with pytest.raises(ValueError, match="one frame"):
        apply(s.image, changes)


def test_a_knob_refuses_images_that_it_cannot_change() -> None:
    """Planes for thickness, three channels for stains; the message says what is lacking."""
    flat = describe(scene("ct", size=SIZE).image, frame_of(scene("ct", size=SIZE).input))
    with pytest.raises(ValueError, match="needs a volume"):
        KNOBS["ct_thickness"].sample(1.0, flat, np.random.default_rng(0))
    grey = describe(np.full((1, 16, 16), 100.0), Frame(modality="microscopy", low=0.0, high=255.0))
    with pytest.raises(ValueError, match="needs 3 channels"):
        KNOBS["microscopy_eosin"].sample(0.1, grey, np.random.default_rng(0))


def test_noisy_air_does_not_count_as_signal() -> None:
    """A head that fills a quarter of the plane in air with noise: the signal is that of the head, to 2 %."""
    rng = np.random.default_rng(0)
    image = np.abs(rng.normal(0, 10, (1, 64, 64)))
    image[0, 16:48, 16:48] += 1000
    spec = describe(image, Frame(modality="mr", low=0.0, high=4095.0))
    assert spec.signal == pytest.approx(1000, rel=0.02)


def test_the_field_of_a_ct_is_the_patient() -> None:
    """Lungs inside the body belong to it, air around it and a thin line in the air do not."""
    s = scene("ct", size=96)
    image = s.image.copy()
    image[0, 3, :] = 200.0
    field = field_of(image, frame_of(s.input))
    assert field[48, 48]
    assert field[43, 68], "the lung"
    assert not field[3, 10]
    assert not field[0, 0]
