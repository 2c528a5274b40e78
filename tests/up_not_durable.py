"""`saxaul up` whose PostgreSQL does not wait for the disk: for flows in which nothing is killed."""

import sys

from not_durable import not_durable

from service.cli import app

if __name__ == "__main__":
    with not_durable():
        sys.exit(app())
