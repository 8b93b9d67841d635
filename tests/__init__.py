"""The tests, by what they need: unit (no database), integration (a database), acceptance (real workers and broker)."""
