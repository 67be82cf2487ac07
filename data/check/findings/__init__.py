"""The kinds of findings, grouped by subject; see `data.check.finding` for how to add one."""
