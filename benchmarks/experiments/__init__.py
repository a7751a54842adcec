"""Measurements for one page of the docs each; not a part of `make bench`."""
