"""`python -m graphssl`, and `accelerate launch -m graphssl`."""

import sys

from graphssl.cli import main

if __name__ == "__main__":
    sys.exit(main())
