"""What an operator does with a running pair: change it, diagnose it, switch over, monitor it."""
