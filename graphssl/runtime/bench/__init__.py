"""Where the time and the memory of a training step go, by node: `graphssl bench`.

run.py      some steps of a real training: timed, then looked into, then counted
turns.py    whose turn it is: which node is computed at a moment, forward, backward and update
kept.py     the memory that waits for the backward, by node
timeline.py seconds of each part
machine.py  what a matrix product reaches here, and memory in use
profile.py  what comes out, and what limits it in one sentence
"""
