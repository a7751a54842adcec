"""The standard facilitator of x402 v2. A bundle for NexFlow goes without it."""
