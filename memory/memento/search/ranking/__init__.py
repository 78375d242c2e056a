"""Ranking: what a question asks, what speaks for each candidate, and the weights that add it up."""
