"""The console about itself: its process, its punctuality, its metrics."""
