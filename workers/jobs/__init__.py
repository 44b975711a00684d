"""What a worker does with a claim: an attempt under a lease that trains a window or predicts days."""
