"""`python -m speechnar`: the command line."""

import sys

from speechnar.cli import main

sys.exit(main())
