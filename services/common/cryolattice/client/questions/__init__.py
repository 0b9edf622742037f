"""What can be asked, by what it is asked of; `Lab` has all of it."""
