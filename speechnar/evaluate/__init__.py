"""How good a system is, whether it is better than another, and how sure that is."""
