"""The API and the pages: who may see what, machines live and in the past, the registry of what agents may publish."""
