"""The way of a line: split, number, keep, encode once, hand to readers."""
