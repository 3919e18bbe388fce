"""What a learner is asked, and how it is judged: questions, exercises, editions, progress."""
