"""What an APINode, and an AdaptiveTransport, are made of."""
