"""Parse requests as apimachinery does: paths, query parameters, selectors, bodies and patches."""
