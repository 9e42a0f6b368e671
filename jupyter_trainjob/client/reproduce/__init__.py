"""The record of a job, and jobs created from it: details, reruns and forks."""
