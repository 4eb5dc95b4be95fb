"""The least that answers GET /users/me: the cost of a framework and a driver."""
