"""``doctor``: check this computer (`computer_checks`) and clusters (`cluster_checks`), with a remedy for each problem.

Read-only: it starts no daemon and changes nothing. Each check is a function that returns `finding.Check`s;
`examination` runs them all.
"""
