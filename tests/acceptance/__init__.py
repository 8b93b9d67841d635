"""What needs a real worker over a real broker, containers, a browser, or a clean environment."""
