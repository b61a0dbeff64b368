"""Tests of smartmob."""
