"""The two ways a job ends early that are not faults of ours."""


class UserError(Exception):
    """A mistake in what the user gave; the message is one line naming the file, the line, the field and what to do.

    What is wrong with a key of the job file starts with the key (`data: ...`): the command line adds file and line.
    """


class Held(Exception):
    """Another run holds the job; the message says who, and since when."""
