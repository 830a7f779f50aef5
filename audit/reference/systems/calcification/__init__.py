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
        title="the same network, and a last step that wipes small marks off",
        task="segmentation",
        slides="44",
        package="calcification",
        differs="marks of less than about 16 mm³ are wiped off its mask; the weights are the same",
    ),
)
