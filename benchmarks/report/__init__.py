"""What is said about a run: for a terminal, for the README, as a plot."""
