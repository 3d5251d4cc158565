"""arnews reads Arabic news: entities, events and exact offsets.

>>> from arnews import Tagger
>>> doc = Tagger()("وصل الوفد إلى القاهرة")
>>> doc.entities[0].text
'القاهرة'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arnews.document import Argument, Document, Entity, Event
    from arnews.errors import ArnewsError, ConfigError, ExtraMissing, FormatError, ModelError
    from arnews.features import load_dataset
    from arnews.tagger import Tagger

__version__ = "0.1.0"

_HOMES = {
    "Tagger": "tagger",
    "load_dataset": "features",
    "Document": "document",
    "Entity": "document",
    "Event": "document",
    "Argument": "document",
    "ArnewsError": "errors",
    "ModelError": "errors",
    "FormatError": "errors",
    "ConfigError": "errors",
    "ExtraMissing": "errors",
}
__all__ = [
    "Argument", "ArnewsError", "ConfigError", "Document", "Entity", "Event", "ExtraMissing", "FormatError",
    "ModelError", "Tagger", "load_dataset",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"arnews.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'arnews' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
