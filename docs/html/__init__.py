"""The documentation as HTML files that need neither a server nor a network: ``python -m docs.html FOLDER``."""
