"""All tests. They import their helpers by the full name: `from tests.learners.small_runs import …`."""
