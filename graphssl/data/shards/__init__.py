"""Data sets in shards: what they hold, where they are kept, and how they are written."""
