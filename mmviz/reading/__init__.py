"""What people bring is read here: race diagrams as they stand in mails.

Text that is read is data: its size is limited, and nothing of it is ever executed.
"""
