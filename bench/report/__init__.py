"""The report of a suite: tables, figures and one page, from its records."""
