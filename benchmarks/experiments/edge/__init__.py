"""The gate's costs: of its import, of a call, and in the emulator."""
