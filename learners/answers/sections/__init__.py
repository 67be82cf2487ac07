"""The sections of the report, one module per section; see `learners.answers.section`."""
