"""The control loop of TokenSLO.

objectives/    what is promised
observation/   what is seen
control/       what is decided
reporting/     what is told
engine.py      one step: a snapshot and memory in, shares and memory out
"""
