"""One code for T1, T2 and FLAIR, and its twin that learned none of the three things that make it one."""

from audit.reference._system import System

SYSTEMS = (
    System(
        name="modality-invariant",
        title="lesion on a brain patch from whichever of T1, T2 and FLAIR is there",
        task="binary",
        slides="110",
        package="modality_invariant",
        curves="the 2 x 2 x 2 ablation over 5 seeds: readers across modalities, leakage, collapse, absent modalities",
    ),
    System(
        name="modality-naive",
        title="the same from a code without similarity, normalisation and modality dropout",
        task="binary",
        slides="110",
        package="modality_invariant",
        differs="its code was learned without similarity term, normalisation by modality and modality dropout",
    ),
)
