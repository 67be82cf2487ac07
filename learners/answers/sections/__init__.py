"""The sections of the report, a file each; see `learners.answers.section`."""
