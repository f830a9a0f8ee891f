"""Sphinx configuration of the documentation site; `make site` builds it.

Warnings are errors, so the build fails on a broken link or anchor, and on a page that nothing
links to.
"""

from __future__ import annotations

from otel_asayer.version import __version__

project = "otel-asayer"
author = "The otel-asayer authors"
release = version = __version__
extensions = ["myst_parser", "sphinx_copybutton"]
myst_heading_anchors = 3
exclude_patterns = ["**.py", "kibana"]
html_theme = "furo"
html_title = "otel-asayer"
html_static_path = ["static"]
html_css_files = ["narrow.css"]
html_copy_source = False
html_show_sphinx = False
copybutton_exclude = ".linenos, .gp, .go"
