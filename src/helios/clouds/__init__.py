"""Creating, listing, checking and removing what Helios needs in a cloud."""
