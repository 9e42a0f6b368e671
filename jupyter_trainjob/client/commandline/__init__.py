"""Shared by the magics and the command line: a parser whose errors name the nearest word, and completion."""
