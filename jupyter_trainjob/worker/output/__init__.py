"""The output of a rank in the pod's log: frames, standard output and error."""
