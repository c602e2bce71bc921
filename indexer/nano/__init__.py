"""The embedded default model: its configuration and weights, and the program that made them.

Loading it needs none of this code (`indexer.weights` reads the files); training it does:
`python -m indexer.nano.train --out DIR`. How and why: `docs/design/nano.md`.
"""
