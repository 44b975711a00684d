"""TableDataset: any table in, features and a label by expressions out; each window sees what was known, and no more."""
