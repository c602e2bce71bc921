"""The room that owns custody: vocabulary, ledger, archive, lake, clocks, errors and settings."""
