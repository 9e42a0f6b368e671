"""The pipeline framework: phases that plugins implement, and the `Info` that is passed through them.

A runtime and a TrainJob go in, the objects that shall exist come out. Nothing here reads or writes the API.
"""
