"""The served kinds: fields, defaults and validation of each."""
