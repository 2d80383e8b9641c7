"""What an agent answers from: passages, how well they support an answer, and what was judged."""
