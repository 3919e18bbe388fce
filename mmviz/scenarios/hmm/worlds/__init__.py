"""What several races of this thread share: worlds, their actors and their bad states."""
