"""The room that turns questions into moments, and says what it did not look at."""
