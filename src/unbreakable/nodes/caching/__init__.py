"""What a CacheNode is made of."""
