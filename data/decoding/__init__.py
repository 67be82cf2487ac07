"""Read image files, and decode and cache those of a source."""
