"""Label a dataset with people and a model together. The names in `__all__` are public; docs/python.md shows them.

They are imported when they are first used, so that `import roundtruth` costs nothing.
"""

from importlib import import_module

PLACES = {
    "Held": "roundtruth.errors",
    "Job": "roundtruth.job",
    "JobSpec": "roundtruth.spec",
    "UserError": "roundtruth.errors",
    "certify": "roundtruth.certify",
    "consolidation": "roundtruth.consolidation",
    "forecast": "roundtruth.forecast",
    "formats": "roundtruth.formats",
    "manifest": "roundtruth.manifest",
    "run": "roundtruth.loop",
}  # a name, and the module that it is, or is in

__all__ = list(PLACES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str):
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(PLACES[name])
    return module if module.__name__ == f"{__name__}.{name}" else getattr(module, name)
