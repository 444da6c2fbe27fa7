"""Records: the consortium, its members, sites, machines, agents and people, in SQLAlchemy."""
