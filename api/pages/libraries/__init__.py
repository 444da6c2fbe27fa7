"""Libraries that pages load in a browser, fetched with npm when Officina is installed."""
