"""`python -m tests.demo`."""

from tests.demo.cli import main

if __name__ == "__main__":
    main()
