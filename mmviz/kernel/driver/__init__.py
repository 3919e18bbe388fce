"""The state that device drivers keep outside the core: KVM, RDMA, nouveau."""
