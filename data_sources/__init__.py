"""Everything that is measured, fetched or stored. Nothing here knows of Dash, Plotly or Flask."""
