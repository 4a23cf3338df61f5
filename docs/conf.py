"""How Sphinx builds the documentation: `make docs`."""

import sys
from pathlib import Path

import shrinkmeister

sys.path.insert(0, str(Path(__file__).parent))

project = "Shrinkmeister"
author = "the Shrinkmeister developers"
project_copyright = "the Shrinkmeister developers"
version = release = shrinkmeister.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "docstrings",
]
myst_enable_extensions = ["colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 4
exclude_patterns = ["_build"]
nitpicky = True

autodoc_member_order = "bysource"
autodoc_typehints = "none"
# Docstrings have names of code between single backquotes.
default_role = "code"
# They would change the quotes of code in docstrings.
smartquotes = False
# The build needs no internet, so it has no inventories of other projects.
nitpick_ignore_regex = [("py:.*", r"(django|sorl|rest_framework|collections|datetime|typing)\..*")]
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "furo"
html_title = "Shrinkmeister"
html_static_path = ["_static"]
html_css_files = ["layout.css"]

linkcheck_anchors = False
# They answer machines with errors, or need an account.
linkcheck_ignore = [r"http://127\.0\.0\.1.*", r"https://thumbs\.example\.com.*"]
