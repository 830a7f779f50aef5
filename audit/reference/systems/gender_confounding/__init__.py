"""COPD from the texture of lung tissue, trained on biased and on balanced data (slide 113)."""

from audit.reference._system import System

SYSTEMS = (
    System(
        name="gender-biased",
        title="COPD from lung texture, trained where most of the ill are men",
        task="binary",
        slides="113",
        package="gender_confounding",
        differs="90 % of the ill and 10 % of the healthy that it was trained on are men",
        curves="AUC and score shift by the share of men among the ill in training, 5 seeds",
    ),
    System(
        name="gender-balanced",
        title="COPD from lung texture, trained on as many men as women",
        task="binary",
        slides="113",
        package="gender_confounding",
        differs="half of the ill and half of the healthy that it was trained on are men",
    ),
)
