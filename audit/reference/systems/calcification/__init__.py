"""Calcified plaque of the intracranial carotid arteries on CT, marked voxel by voxel (slide 44)."""

from audit.reference._system import System

SYSTEMS = (
    System(
        name="calcification",
        title="intracranial carotid calcification on CT, 3-D network with deep supervision",
        task="segmentation",
        slides="44",
        package="calcification",
    ),
    System(
        name="calcification-large",
        title="the same, taught by a reader who left small plaques out",
        task="segmentation",
        slides="44",
        package="calcification",
        differs="plaques below 30 mm³ were erased from its training masks",
    ),
    System(
        name="calcification-ligament",
        title="the same, taught by a reader who took ossified ligaments for plaque",
        task="segmentation",
        slides="44",
        package="calcification",
        differs="ossified ligaments were marked in its training masks",
    ),
)
