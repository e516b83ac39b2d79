"""The cases, a file for each noun."""
