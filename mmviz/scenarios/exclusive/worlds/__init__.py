"""What several races of this thread share: worlds, actors, bad states; a module for each idea."""
