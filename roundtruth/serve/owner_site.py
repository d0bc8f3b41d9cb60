"""The routes of the owner's page: the overview of all jobs of a server."""
