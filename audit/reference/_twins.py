"""Names and titles of the demo's twins; words alone, so that a list of them loads nothing."""

TITLES = {
    "biased": "lesion burden on brain MRI, leans on sex and protocol",
    "healthy": "lesion burden on brain MRI, balanced training",
    "sex-only": "lesion burden on brain MRI, leans on sex alone",
    "protocol-only": "lesion burden on brain MRI, leans on the protocol alone",
    "undefended": "lesion burden on brain MRI, balanced, no adversarial training",
}
SLIDES = "demo"
TASK = "binary"
