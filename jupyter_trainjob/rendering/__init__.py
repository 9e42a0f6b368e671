"""Render jobs as text, tables and pictures, for terminals, the command line and saved notebooks."""
