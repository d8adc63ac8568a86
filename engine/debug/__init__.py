"""The debugging bench: why does a model fail on this picture?"""
