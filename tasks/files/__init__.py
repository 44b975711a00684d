"""Files and paths as users write them: YAML, TOML and JSON, read strictly."""
