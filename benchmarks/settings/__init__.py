"""One settings module a contender: `base`, and what that contender's own README asks for on top of it."""
