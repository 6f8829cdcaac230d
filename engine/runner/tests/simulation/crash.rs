//! A crash at each commit of each flow that is there to be learned from or that we run: the same end, and every effect once.
