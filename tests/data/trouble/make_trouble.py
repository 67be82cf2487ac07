"""Make a folder of each kind of trouble: `python tests/data/trouble/make_trouble.py DIR`, then look at them."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # for `pictures`

from kinds import Pictures, all_kinds

for kind in all_kinds():
    kind.make(Pictures(Path(sys.argv[1]) / kind.name / "pictures", kind.usual))
