"""What people take along: a run as a diagram for a mail, a page, a picture."""
