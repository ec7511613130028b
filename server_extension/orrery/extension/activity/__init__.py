"""What a notebook server is used for: measured, told to the platform, and acted on when it is idle.

processes.py  what /proc tells of the server's own processes
volume.py     how full the data volume is
use.py        pure: from samples to "in use" or "idle since"
quota.py      pure: when to warn that memory or disk run out
meter.py      one sample of everything
variables.py  a kernel's variables, saved before it is freed and loaded back on a click
watch.py      the loop: sample, report, do what the platform decided
handlers.py   what Lab asks
"""
