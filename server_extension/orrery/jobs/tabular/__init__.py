"""What the tabular algorithms' notebooks share: reading, splitting, measuring, plotting and saving.

The interesting part of an algorithm stays in its notebook; here is what every one of them would otherwise repeat.
"""
