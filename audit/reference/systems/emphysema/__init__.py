"""Graders of emphysema that learn from intervals: GAPNet with two losses, ProportionNet, and one of presence alone."""

from audit.reference._system import System

_CURVES = "ICC, AUC, rank correlation and agreement over 50 to 700 training patients, five seeds"

SYSTEMS = (
    System(
        name="gapnet", title="Extent of emphysema from interval grades, features averaged over the lung",
        task="regression", slides="86-89", package="emphysema", curves=_CURVES,
    ),
    System(
        name="gapnet-rms", title="The same, trained on the middle of each interval",
        task="regression", slides="86-89", package="emphysema", curves=_CURVES,
        differs="from gapnet: squared error to the middle of the interval, and the learning rate that suits it",
    ),
    System(
        name="proportionnet", title="Extent of emphysema as the mean of a map that nobody drew",
        task="regression", slides="86-89", package="emphysema", curves=_CURVES,
    ),
    System(
        name="proportionnet-presence", title="The same, told only who has emphysema and who has none",
        task="regression", slides="86-89", package="emphysema", curves=_CURVES,
        differs="from proportionnet: two intervals, none and some, in place of six; it cannot know how much",
    ),
)  # fmt: skip
