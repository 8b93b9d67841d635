"""What needs a database: run once on each that is found."""
