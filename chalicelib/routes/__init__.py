"""HTTP in and out: validate, call one service, shape the reply."""
