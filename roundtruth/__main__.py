"""`python -m roundtruth` is the command `roundtruth`."""

import sys

from roundtruth.cli import main

sys.exit(main())
