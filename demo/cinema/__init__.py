"""The cinema application that the issue model was written for: showtimes, scraped every ten minutes."""
