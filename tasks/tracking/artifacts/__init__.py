"""The artifacts of a run: values as files, each with a checksum in a manifest, without pickle."""
