"""What an OrchestratorNode is made of."""
