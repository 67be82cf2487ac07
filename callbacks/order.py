"""In which order callbacks see an event, lowest first. fastai's recorder is at 50 and its scheduler at 60."""

DATA_PARALLEL = -1000  # shares a batch before, and has its whole results before, any other callback looks
RESUME = -100  # before any callback looks at a batch
STEP_SEED = -95  # before any callback draws a random number
LOADER_EPOCH = -90  # before the training loader starts
WEIGHT_AVERAGE = -20  # the model holds the average before any callback looks at a validation
FINITE_LOSS = 51  # after the recorder has the figures of an epoch
HISTORY = 55  # after the figures are known to be finite
TRACKING = 58  # after the row of the epoch is made
PLANNED_RATES = 61  # after fastai's schedulers: the plan wins
PROGRESS = 70  # after every callback whose figures it shows
CHECKPOINT = 90  # after all others have taken the step into account
MEASURED = 95  # the model is what is validated: all others have put their weights into it
LOADER_WAIT = 100  # the next batch is asked for when every other callback has finished with the last one
SCHEDULE_RECORD = 1000  # the last to look before an optimizer step, when nothing can change its rate any more
