"""A count of perivascular spaces learned from counts alone, with the map of where they are for free."""

from audit.reference._system import System

SYSTEMS = (
    System(
        name="gp-unet",
        title="number of perivascular spaces in the basal ganglia, with a map learned from counts alone",
        task="regression",
        slides="70-71, 111",
        package="gp_unet",
        curves="lesions found by the map, by brightness and by gradients, over 100 to 2,000 training patients, 5 seeds",
    ),
)
