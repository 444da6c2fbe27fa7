"""The versions of the database, each a step up and a step down."""
