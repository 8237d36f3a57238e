"""What the fakes do beyond the contract of their protocol."""
