"""A pod's volumes as folders, kept up to date."""
