"""Figures as Plotly's JSON. Nothing here needs Plotly itself."""
