"""Pure functions that return Dash components, HTML and figures. No input or output, no settings, no Flask."""
