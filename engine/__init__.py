"""Saccade's engine: models of the lecture that return Traces; no drawing library, no web framework."""
