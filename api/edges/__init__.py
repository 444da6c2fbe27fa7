"""Edge agents and the logins of the broker: who is enrolled, by which code, with which rights."""
