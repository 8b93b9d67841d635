"""A Django app with the handler that most projects write first; here to be measured, not to be used."""
