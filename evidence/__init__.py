"""Bundles a court can check: originals, manifest, custody, and the verifier that needs nobody."""
