"""The verbs: get, list and watch; create, update and patch; delete; logs."""
