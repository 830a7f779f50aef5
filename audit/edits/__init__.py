"""Edits of single images whose effect on an honest model is known: evidence removed, markers and lesions put in.

Everything is sampled first and applied then: what was drawn is a value in physical units, a strength or count of 0
gives the image back bit for bit, and edited images keep the depth and range in which images are stored. Two and three
spatial axes; lengths are in mm where a spacing is declared and in pixels elsewhere.
"""

from audit.edits._clone import Texture, expected, median, quantiles, seamless, texture_of
from audit.edits._fill import Fill, Piece, sample_fill
from audit.edits._grid import Grid, grid_of, parts_of, tissue
from audit.edits._markers import MARKERS, Marker, sample_markers
from audit.edits._places import Shape, free_places, levels_around, most_alike, shape_of, shapes_of
from audit.edits._spots import Ground, Insertion, Spot, in_turn, inserted, marks, sample_insertions, spots_of, usual
from audit.edits._stored import stored
from audit.edits._telltales import TELLTALES, Telltale, sham

__all__ = [
    "MARKERS", "TELLTALES", "Fill", "Grid", "Ground", "Insertion", "Marker", "Piece", "Shape", "Spot", "Telltale",
    "Texture", "expected", "free_places", "grid_of", "in_turn", "inserted", "levels_around", "marks", "median",
    "most_alike", "parts_of", "quantiles", "sample_fill", "sample_insertions", "sample_markers", "seamless", "sham",
    "shape_of", "shapes_of", "spots_of", "stored", "texture_of", "tissue", "usual",
]  # fmt: skip
