from __future__ import annotations

import pickle

import pytest

import arnews
from arnews import errors


def test_public_names_are_few_and_there() -> None:
    assert len(arnews.__all__) <= 12
    for name in arnews.__all__:
        assert getattr(arnews, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        arnews.Nothing  # noqa: B018
    assert set(arnews.__all__) <= set(dir(arnews))


def test_errors_are_one_tree_and_pickle() -> None:
    for name in ("ModelError", "FormatError", "ConfigError", "ExtraMissing"):
        assert issubclass(getattr(errors, name), arnews.ArnewsError)
    error = errors.FormatError("an unknown label", file="a.txt", line=3, column=7)
    assert str(error) == "a.txt:3:7: an unknown label"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert "pip install 'arnews[torch]'" in str(errors.ExtraMissing("device='cuda'", "torch"))
    assert issubclass(errors.ExtraMissing, ImportError)
