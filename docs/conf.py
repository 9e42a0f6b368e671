"""Sphinx configuration."""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "extensions"))

from jupyter_trainjob.constants import VERSION  # noqa: E402

project = "jupyter_trainjob"
author = "The jupyter_trainjob authors"
project_copyright = author
version = release = VERSION

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "generated_reference",
]
exclude_patterns = ["_build"]

# scripts/docs executes the notebooks before the build, with a cluster of their own.
nb_execution_mode = "off"
nb_merge_streams = True
# A view in a notebook offers a live widget and a picture; without a kernel, the picture is what a notebook shows too.
nb_mime_priority_overrides = [("html", "text/html", 0)]
suppress_warnings = ["mystnb.unknown_mime_type"]  # The forms of a view that a page does not use.
nb_render_error_lexer = "text"  # Errors end with notes, which the lexer of tracebacks does not accept.

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
# Docstrings name modules, parameters and types in single backticks.
default_role = "literal"
nitpicky = True
# Types in signatures of the public functions that have no page of their own.
nitpick_ignore_regex = [("py:(class|obj|data|exc)", r"(?!jupyter_trainjob\.errors).*")]

html_theme = "pydata_sphinx_theme"
html_title = "jupyter_trainjob"
html_static_path = ["static"]
html_css_files = ["pages.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_toc_level": 2,
    "navigation_depth": 2,
}
