"""Write a folder for each kind of problem, to look at them: `python -m tests.data.trouble.make_trouble DIR`."""

import sys
from pathlib import Path

from tests.data.trouble.kinds import Pictures, all_kinds

for kind in all_kinds():
    kind.make(Pictures(Path(sys.argv[1]) / kind.name / "pictures", kind.usual))
