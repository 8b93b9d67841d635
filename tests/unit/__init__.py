"""What needs no database, which proves the seam."""
