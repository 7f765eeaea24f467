"""Figures as Plotly's plain JSON: pure functions of frames and curves; nothing here needs Plotly itself."""
