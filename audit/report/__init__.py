"""Evidence to HTML: one file, offline, readable without scripts, made for paper."""

from audit.report._comparison import render_comparison
from audit.report._page import fragment, render

__all__ = ["fragment", "render", "render_comparison"]
