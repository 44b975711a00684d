"""MongoDB: the connection, the one reader of documents, conditional writes, change streams."""
