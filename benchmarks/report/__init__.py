"""What is said about a run: for a terminal, and as Markdown."""
