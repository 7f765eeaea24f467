"""HTML pages: the templates, and the one place that fills them in."""
