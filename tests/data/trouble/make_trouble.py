"""Write a folder for each kind of problem, to look at them: `python tests/data/trouble/make_trouble.py DIR`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # for `pictures`

from kinds import Pictures, all_kinds

for kind in all_kinds():
    kind.make(Pictures(Path(sys.argv[1]) / kind.name / "pictures", kind.usual))
