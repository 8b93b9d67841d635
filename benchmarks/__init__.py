"""Side by side with the peers: what a failing task costs, what arrives, how fast it drains."""
