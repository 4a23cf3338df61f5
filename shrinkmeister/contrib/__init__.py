"""For other libraries, each in a module of its name, which only those import who have that library."""
