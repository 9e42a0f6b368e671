"""The results and exceptions that a rank sends back."""
