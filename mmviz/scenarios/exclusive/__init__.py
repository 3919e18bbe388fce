"""Device-exclusive access, v7: Alistair Popple and Jason Gunthorpe, March and April 2021.

Alistair Popple's patch lets a device do atomic operations on ordinary memory by hiding the
page from the CPU behind a new kind of entry.  Jason Gunthorpe asks what happens to pages that
somebody has pinned, whether a check for pins can ever be in time, and what fork() makes of the
entry.  The argument ends with the entries being undone at fork, and so they were merged in
v5.14.  The patch: <20210326000805.2518-6-apopple@nvidia.com>.
"""
