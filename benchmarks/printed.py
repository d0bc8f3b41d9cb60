"""The JSON line that a benchmark prints."""

import json


def one_line(found: dict, digits: int = 4) -> str:
    """Rounded, and null for what is no number: NaN is not JSON."""
    rounded = {"parse_float": lambda x: round(float(x), digits), "parse_constant": lambda nan: None}
    return json.dumps(json.loads(json.dumps(found), **rounded))
