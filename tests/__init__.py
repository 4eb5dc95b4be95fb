"""The tests; they mirror app/."""
