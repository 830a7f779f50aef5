"""Texture of the lung that tells COPD and who will have it: histograms of filters, neighbours, mean over regions."""

from audit.reference._system import System

SYSTEMS: tuple[System, ...] = (
    System(
        name="copd-texture",
        title="COPD from the texture of regions of the lung, labels from lung function",
        task="binary",
        slides="85, 90-91",
        package="copd_texture",
        curves="mean, maximum and MILES over the regions, by number of training scans",
    ),
    System(
        name="future-copd",
        title="risk of COPD within five years, from the texture of a lung that has none yet",
        task="survival",
        slides="92",
        package="copd_texture",
        curves="AUC at five years by number of training scans, beside densitometry",
    ),
)
