"""Support for other libraries: one module per library. Only sites with that library import it."""
