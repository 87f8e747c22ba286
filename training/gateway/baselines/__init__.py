"""Simple defenders at the decision points of learned ones, and for the same reward."""
