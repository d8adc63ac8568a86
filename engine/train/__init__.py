"""Recipes, one for each model: seeded, resumable, with progress, and the card written at the end."""
