"""Chains of calls: what a person asks for in one go.

Every step is content-addressed, so a chain that was cut short goes on where it ended.
"""
