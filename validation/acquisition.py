"""What each simulated acquisition was asked for, and what is measured in the image that it made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.acquisition import KNOBS, Frame, ImageSpec, apply, describe, frame_of
from audit.acquisition._ct import F50_PER_MM
from audit.acquisition._microscopy import Stains, stain_matrix
from audit.acquisition._operations import disc_kernel, line_kernel
from audit.acquisition._photo import from_light, to_light
from audit.acquisition._us import RANGE_DB, envelope_of
from audit.acquisition._xray import from_linear, to_linear
from audit.testing import scene

N = 128
TOLERANCE = 0.10
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One quantity of one simulator.

    Args:
        knob: The knob's name.
        what: The quantity and the severity, in words.
        asked: What the formula says.
        measured: What is found in the image.
    """

    knob: str
    what: str
    asked: float
    measured: float

    @property
    def ratio(self) -> float:
        """Measured over asked."""
        return self.measured / self.asked


def checks(modality: str) -> tuple[Check, ...]:
    """Return the checks of a modality.

    Raises:
        KeyError: No such modality.
    """
    return tuple(_CHECKS[modality]())


def _flat(value: float, frame: Frame, **more: Any) -> tuple[Floats, ImageSpec]:
    channels = more.pop("channels", 1)
    image = np.full((channels, N, N), value, dtype=np.float64)
    field = np.ones((N, N), dtype=bool)
    return image, ImageSpec(
        frame=frame, shape=(N, N), channels=channels, field=field, signal=value, noise_sd=more.get("noise_sd")
    )


def _changed(name: str, severity: float, image: Floats, spec: ImageSpec, seed: int = 0) -> Floats:
    change = KNOBS[name].sample(severity, spec, np.random.default_rng(seed))
    return np.asarray(apply(image, change, field=spec.field), dtype=np.float64)


def _wave(cycles: int, middle: float, amplitude: float) -> Floats:
    x = np.arange(N)
    row = middle + amplitude * np.cos(2 * np.pi * cycles / N * x)
    return np.broadcast_to(row, (1, N, N)).copy()


def _modulation(before: Floats, after: Floats, cycles: int) -> float:
    """Return how much of a wave along the columns is left, away from the borders."""
    inner, x = slice(24, 104), np.arange(N)[24:104]
    turn = np.exp(-2j * np.pi * cycles / N * x)
    rows = [image[0, N // 2, inner] - image[0, N // 2, inner].mean() for image in (before, after)]
    return float(abs(np.sum(rows[1] * turn)) / abs(np.sum(rows[0] * turn)))


def _ct() -> Iterator[Check]:
    frame = Frame(modality="ct", low=-1024.0, high=3071.0, spacing_mm=(0.8, 0.8))
    sigma = 12.0
    for saved in KNOBS["ct_dose"].ladder:
        image, spec = _flat(40.0, frame, noise_sd=sigma)
        added = (_changed("ct_dose", saved, image, spec) - image).std()
        yield _check("ct_dose", f"added noise in HU, {saved:g} saved", sigma * np.sqrt(1 / (1 - saved) - 1), added)
    s = scene("ct", size=160)
    spec = describe(s.image, frame_of(s.input))
    phantom = np.asarray(s.image, dtype=np.float64)
    before, after = (_sd(_changed("ct_dose", saved, phantom, spec), spec) for saved in (0.0, 0.5))
    yield _check("ct_dose", "noise of a phantom at half the dose, in HU", before * np.sqrt(2), after)
    yield from _noise_power(frame)
    for severity in (-0.4, -0.2, 0.2):
        for cycles in (8, 24):
            image = _wave(cycles, 40.0, 200.0)
            f = cycles / N / 0.8
            wanted = np.exp(-np.log(2) * f**2 * ((F50_PER_MM * (1 + severity)) ** -2 - F50_PER_MM**-2))
            found = _modulation(image, _changed("ct_kernel", severity, image, _flat(40.0, frame)[1]), cycles)
            yield _check("ct_kernel", f"transfer at {f:.2f} /mm, {severity:+g}", wanted, found)
    yield from _planes("ct")


def _sd(image: Floats, spec: ImageSpec) -> float:
    return describe(image, spec.frame).noise_sd or float("nan")


def _noise_power(frame: Frame) -> Iterator[Check]:
    image, spec = _flat(40.0, frame, noise_sd=30.0)
    power = np.mean(
        [np.abs(np.fft.fft2(_changed("ct_dose", 0.5, image, spec, seed=i)[0] - 40)) ** 2 for i in range(16)], axis=0
    )
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(N, 0.8), np.fft.fftfreq(N, 0.8)))
    wanted = f * np.exp(-np.log(2) * (f / F50_PER_MM) ** 2) ** 2
    wanted *= power.mean() / wanted.mean()
    for low, high in ((0.05, 0.15), (0.15, 0.3), (0.3, 0.45)):
        ring = (f >= low) & (f < high)
        what = f"noise power, {low:g} to {high:g} /mm, as a share of the mean"
        yield _check("ct_dose", what, wanted[ring].mean() / power.mean(), power[ring].mean() / power.mean())


def _planes(modality: str) -> Iterator[Check]:
    frame = Frame(modality=modality, low=-1024.0, high=4095.0, spacing_mm=(2.0, 1.0, 1.0))
    volume = 1000 + 50 * np.random.default_rng(0).standard_normal((1, 30, 48, 48))
    field = np.ones(volume.shape[1:], dtype=bool)
    spec = ImageSpec(frame=frame, shape=field.shape, channels=1, field=field, signal=1000.0, noise_sd=50.0)
    out = _changed(f"{modality}_thickness", 4.0, volume, spec)
    yield _check(
        f"{modality}_thickness", "noise of planes of 6 mm made of planes of 2 mm", 50 / 3**0.5, out[0, 1::3].std()
    )


def _mr() -> Iterator[Check]:
    frame = Frame(modality="mr", low=0.0, high=4095.0, spacing_mm=(1.0, 1.0))
    for share in KNOBS["mr_noise"].ladder:
        image, spec = _flat(1000.0, frame)
        out = _changed("mr_noise", share, image, spec)
        # Of a Rician amplitude at this signal; 1.5 % below sigma at a fifth of it.
        yield _check("mr_noise", f"SD of the noise over the signal, {share:g}", share, out.std() / 1000)
    image, spec = _flat(1000.0, frame)
    image[0, :64] = 0.0
    void = _changed("mr_noise", 0.1, image, spec)[0, :64]
    yield _check("mr_noise", "mean of a void, Rayleigh, 0.1", 100 * np.sqrt(np.pi / 2), void.mean())
    for peak in KNOBS["mr_bias"].ladder:
        image, spec = _flat(1000.0, frame)
        factor = _changed("mr_bias", peak, image, spec) / 1000
        yield _check("mr_bias", f"largest factor, {peak:g}", 1 + peak, max(factor.max(), 1 / factor.min()))
    image, spec = _flat(1000.0, frame)
    image[0, :32] = 2000.0
    for severity in (-0.4, 0.4):
        out = _changed("mr_contrast", severity, image, spec)
        yield _check(
            "mr_contrast", f"ratio of two tissues, {severity:+g}", 2 ** (1 + severity), out[0, 0, 0] / out[0, 99, 0]
        )
    for gain in (-0.4, 0.4):
        yield _check(
            "mr_gain",
            f"mean signal, {gain:+g}",
            1000 * (1 + gain),
            _changed("mr_gain", gain, *_flat(1000.0, frame)).mean(),
        )
    wave = _wave(24, 1000.0, 200.0)
    kept = _modulation(wave, _changed("mr_resolution", 0.5, wave, _flat(1000.0, frame)[1]), 24)
    yield _check("mr_resolution", "a wave inside of what is kept, 0.5", 1.0, kept)
    edge, spec = _flat(1000.0, frame)
    edge[0, :, 32:96] = 2000.0
    over = (_changed("mr_resolution", 0.7, edge, spec).max() - 1000) / 1000
    yield _check("mr_resolution", "height of an edge with Gibbs ringing, 0.7", 1.0895, over)
    from audit.acquisition._mr_kspace import Ghost, Motion

    bar = np.zeros((1, 64, 64))
    bar[0, 8:16, 20:40] = 1000.0
    ghost = Ghost(loss_share=0.3, every_lines=2).change(bar, frame)
    yield _check("mr_ghost", "signal of a ghost of every second line, 0.3", 150.0, ghost[0, 44, 30])
    moved = Motion(shifts_mm=((5.0, 0.0),), rotations_degrees=(0.0,), edges_share=(1.0,)).change(bar, frame)
    rows = np.arange(64)
    shift = (moved.sum(axis=(0, 2)) @ rows - bar.sum(axis=(0, 2)) @ rows) / bar.sum()
    yield _check("mr_motion", "shift of an image that moves as a whole, in mm, 5", 5.0, shift)
    spike = _changed("mr_spikes", 0.1, *_flat(1000.0, frame))
    yield _check("mr_spikes", "amplitude of the stripes, 0.1", 100.0, np.ptp(spike) / 2)
    yield from _planes("mr")


def _xray() -> Iterator[Check]:
    frame = Frame(modality="xray", low=0.0, high=4095.0, spacing_mm=(0.5, 0.5))
    for saved in KNOBS["xray_dose"].ladder:
        image, spec = _flat(1500.0, frame, noise_sd=20.0)
        total = np.hypot(_changed("xray_dose", saved, image, spec).std(), 20.0)
        yield _check("xray_dose", f"noise in grey levels, {saved:g} saved", 20 / np.sqrt(1 - saved), total)
    image, spec = _flat(1500.0, frame, noise_sd=20.0)
    yield _check("xray_dose", "brightness, 0.9 saved", 1500.0, _changed("xray_dose", 0.9, image, spec).mean())
    for sigma in (0.5, 1.0, 2.0):
        cycles = 8
        f = cycles / N / 0.5
        linear = _wave(cycles, 0.4, 0.05)
        image = from_linear(linear, frame)
        out = to_linear(_changed("xray_blur", sigma, image, _flat(1500.0, frame)[1]), frame)
        wanted = np.exp(-2 * (np.pi * sigma * f) ** 2)
        yield _check("xray_blur", f"transfer at {f:.3g} /mm, {sigma:g} mm", wanted, _modulation(linear, out, cycles))
    for share in KNOBS["xray_scatter"].ladder:
        linear = _wave(16, 0.4, 0.05)
        out = to_linear(_changed("xray_scatter", share, from_linear(linear, frame), _flat(1500.0, frame)[1]), frame)
        yield _check("xray_scatter", f"contrast that is left, {share:g}", 1 - share, _modulation(linear, out, 16))
    image, spec = _flat(3000.0, frame)
    for width in (-0.25, 0.5):
        shown = _changed("xray_window", width, image, spec).mean() - 2047.5
        yield _check("xray_window", f"contrast against the middle, {width:+g}", 952.5 / (1 + width), shown)
    yield _check("xray_level", "brightness added, 0.1", 409.5, _changed("xray_level", 0.1, image, spec).mean() - 3000)


def _us() -> Iterator[Check]:
    frame = Frame(modality="us", low=0.0, high=255.0, spacing_mm=(0.4, 0.4))
    for gain in (-6.0, 3.0, 6.0):
        image, spec = _flat(120.0, frame)
        ratio = envelope_of(_changed("us_gain", gain, image, spec), frame, RANGE_DB) / envelope_of(
            image, frame, RANGE_DB
        )
        yield _check("us_gain", f"ratio of envelopes, {gain:+g} dB", 10 ** (gain / 20), ratio.mean())
    for loss in (0.5, 1.0):
        image, spec = _flat(200.0, frame)
        deep = (200 - _changed("us_attenuation", loss, image, spec)[0, -1].mean()) / 255 * RANGE_DB
        yield _check("us_attenuation", f"loss at 5.12 cm in dB, {loss:g} dB/cm", 2 * loss * 5.12, deep)
    image, spec = _flat(127.5, frame)
    shown = _changed("us_range", 30.0, image, spec).mean()
    yield _check("us_range", "grey level of 30 dB below the brightest, 60 to 90 dB", 255 * (1 - 30 / 90), shown)
    image, spec = _flat(0.0, frame)
    for level in (24.0, 36.0):
        mean = envelope_of(_changed("us_noise", level, image, spec), frame, RANGE_DB).mean()
        # The envelope of the darkest level itself is 1, so the noise of a void is Rician of that signal.
        wanted = _rician_mean(1.0, 10 ** (level / 20))
        yield _check("us_noise", f"mean envelope of a void, {level:g} dB", wanted, mean)
    for width in (0.8, 1.6):
        image, spec = _flat(0.0, frame)
        image[0, 64, 64] = 255.0
        envelope = envelope_of(_changed("us_resolution", width, image, spec), frame, RANGE_DB)[0] - 1
        place = (np.arange(N) - 64) * 0.4
        across = np.sqrt((envelope.sum(axis=0) * place**2).sum() / envelope.sum())
        yield _check("us_resolution", f"lateral width of one echo in mm, {width:g}", width, across)
    image, spec = _flat(200.0, frame)
    shade = (200 - _changed("us_shadow", 12.0, image, spec).min()) / 255 * RANGE_DB
    yield _check("us_shadow", "loss in the shadow in dB, 12", 12.0, shade)


def _rician_mean(signal: float, sigma: float) -> float:
    from scipy.stats import rice

    return float(rice.mean(signal / sigma, scale=sigma))


def _photo() -> Iterator[Check]:
    frame = Frame(modality="photo", low=0.0, high=255.0)
    half = float(from_light(np.array(0.5), frame))
    for share in KNOBS["photo_noise"].ladder:
        image, spec = _flat(half, frame, channels=3)
        found = to_light(_changed("photo_noise", share, image, spec), frame).std()
        yield _check("photo_noise", f"SD at half light, {share:g}", share, found)
    for stops in (-1.0, 0.5):
        image, spec = _flat(half, frame, channels=3)
        found = to_light(_changed("photo_exposure", stops, image, spec), frame).mean() / 0.5
        yield _check("photo_exposure", f"ratio of the light, {stops:+g} stops", 2**stops, found)
    image, spec = _flat(half, frame, channels=3)
    balanced = to_light(_changed("photo_white_balance", 0.2, image, spec), frame).mean(axis=(1, 2)) / 0.5
    yield _check("photo_white_balance", "red, 0.2", 1.2, balanced[0])
    yield _check("photo_white_balance", "blue, 0.2", 1 / 1.2, balanced[2])
    for peak in (0.3, 0.6):
        factor = to_light(_changed("photo_illumination", peak, image, spec), frame) / 0.5
        yield _check("photo_illumination", f"largest factor, {peak:g}", 1 + peak, max(factor.max(), 1 / factor.min()))
    yield from (_disc("photo_defocus", r) for r in (2.0, 4.0))
    for length in (4.0, 8.0):
        kernel = line_kernel(length, 0.0)
        place = np.arange(len(kernel)) - len(kernel) // 2
        found = np.sqrt((kernel.sum(axis=0) * place**2).sum())
        yield _check("photo_motion", f"width of the line in pixels, {length:g}", np.sqrt(length**2 / 12 + 1 / 6), found)
    corner = to_light(_changed("photo_vignetting", 0.4, image, spec), frame)[0, 0, 0] / 0.5
    yield _check("photo_vignetting", "light in a corner, 0.4", 0.6, corner)


def _disc(knob: str, radius: float) -> Check:
    kernel = disc_kernel(radius)
    place = np.arange(len(kernel)) - len(kernel) // 2
    found = np.sqrt((kernel.sum(axis=0) * place**2).sum())
    return _check(knob, f"width of the disc in pixels, {radius:g}", np.sqrt(radius**2 / 4 + 1 / 12), found)


def _microscopy() -> Iterator[Check]:
    frame = Frame(modality="microscopy", low=0.0, high=255.0)
    amounts = np.array([0.5, 0.5, 0.0])
    pixel = 256 * np.exp(-stain_matrix() @ amounts) - 1
    image = np.round(np.broadcast_to(pixel[:, None, None], (3, N, N))).copy()
    spec = ImageSpec(
        frame=frame,
        shape=(N, N),
        channels=3,
        field=np.ones((N, N), dtype=bool),
        signal=float(image.mean()),
        noise_sd=None,
    )
    before = _amounts(image)
    for place, name in enumerate(("microscopy_haematoxylin", "microscopy_eosin")):
        for severity in (-0.3, 0.3, 0.6):
            found = _amounts(_changed(name, severity, image, spec))[place]
            yield _check(name, f"amount of the stain, {severity:+g}", before[place] * (1 + severity), found)
    for severity in (0.1, 0.2):
        after = _amounts(_changed("microscopy_background", severity, image, spec))
        yield _check("microscopy_background", f"haematoxylin added, {severity:+g}", severity, after[0] - before[0])
    other = Stains(alpha=(1.3, 1.0, 1.0), beta=(0.0, 0.0, 0.0)).change(image, frame)
    yield _check("microscopy_haematoxylin", "eosin where haematoxylin is changed, +0.3", before[1], _amounts(other)[1])
    yield from (_disc("microscopy_focus", r) for r in (2.0, 4.0))


def _amounts(image: Floats) -> Floats:
    return np.asarray(np.linalg.inv(stain_matrix()) @ -np.log((image[:, 64, 64] + 1) / 256), dtype=np.float64)


def _check(knob: str, what: str, asked: Any, measured: Any) -> Check:
    return Check(knob=knob, what=what, asked=float(asked), measured=float(measured))


_CHECKS: dict[str, Callable[[], Iterator[Check]]] = {
    "ct": _ct, "mr": _mr, "xray": _xray, "us": _us, "photo": _photo, "microscopy": _microscopy,
}  # fmt: skip
