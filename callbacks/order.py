"""The order in which callbacks receive an event, lowest first. fastai's recorder is at 50 and its scheduler at 60."""

DATA_PARALLEL = -1000  # first: other callbacks need the gathered results of all processes
RESUME = -100  # before any callback uses a batch, so that all use the restored state
STEP_SEED = -95  # before any callback draws a random number
LOADER_EPOCH = -90  # before the training loader starts
WEIGHT_AVERAGE = -20  # before any callback uses the model in a validation, which measures the averaged weights
FINITE_LOSS = 51  # after the recorder has computed the metrics of an epoch
HISTORY = 55  # after the losses and metrics were checked to be finite
TRACKING = 58  # after the epoch's row was added to the history
PLANNED_RATES = 61  # after fastai's schedulers, so that the planned learning rate replaces theirs
PROGRESS = 70  # after every callback whose numbers it shows
CHECKPOINT = 90  # after all other callbacks have updated their state for the step
MEASURED_MODEL = 95  # after all other callbacks have put their weights into the model that is validated
LOADER_WAIT = 100  # after all others, because the next batch is loaded when the last callback has returned
SCHEDULE_RECORD = 1000  # last before an optimizer step, when nothing can change the learning rate any more
