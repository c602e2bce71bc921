"""The room that turns streams into segments. It does not know that an indexer exists."""
