"""August 2017: the mmu notifier callback for a single page is removed.

Jérôme Glisse's series [PATCH 00/13] "mmu_notifier kill invalidate_page callback v2"
(<20170831211738.17922-1-jglisse@redhat.com>) says what was wrong with the callback, and which
pattern a driver has to follow so that its device never keeps what the CPU has given up.
"""
