"""One file per plugin: what an ML policy means for the pods (`plainml`, `torch`), and the JobSet that carries them."""
