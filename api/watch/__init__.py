"""What nobody asks for, and must be done all the same: one process leads, others stand by."""
