"""What a StreamNode is made of."""
