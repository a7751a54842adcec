"""What the two halves answer with. A client acts on the status and on the body."""

OF_THE_CONTRACT = frozenset({400, 401, 402, 409, 422, 500, 503})
