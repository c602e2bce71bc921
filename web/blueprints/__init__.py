"""One blueprint per desk; a view fetches, calls one function, and renders."""
