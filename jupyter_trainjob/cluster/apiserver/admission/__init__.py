"""Complete and validate objects before they are stored: metadata, defaults, and the rules of their kinds."""
