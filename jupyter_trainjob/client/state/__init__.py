"""The state of a job at one moment: a `Snapshot` derived from API objects and the ranks' reports."""
