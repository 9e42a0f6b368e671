"""What users hold: which cluster (`context`), how a job gets there (`submit`), and the job itself (`handle`).

`derive` turns what the API and the frames say into a `snapshot`, the plain values that every view draws.
"""
