"""What the kernel's own selftests need: its test driver and their buffers."""
