"""Flask blueprints: parse, ask a data source, answer JSON or problem+json. `gate` decides who may do what."""
