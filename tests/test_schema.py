from __future__ import annotations

from arnews.schema import schema
from arnews.text import clean


def test_schema_has_the_whole_tag_set() -> None:
    s = schema()
    assert list(s.entities) == [
        "PERS", "NORP", "OCC", "ORG", "GPE", "LOC", "FAC", "EVENT", "LAW", "PRODUCT", "LANGUAGE", "WEBSITE", "DATE",
        "TIME", "MONEY", "PERCENT", "QUANTITY", "CARDINAL", "ORDINAL",
    ]  # fmt: skip
    assert (len(s.events), list(s.modalities), list(s.roles)) == (
        31, ["actual", "planned", "possible", "negated"], ["AGENT", "TARGET", "PLACE", "TIME", "AMOUNT"],
    )  # fmt: skip


def test_schema_entries_are_complete() -> None:
    s = schema()
    for section in (s.entities, s.events, s.modalities, s.roles):
        for label in section.values():
            assert label.group and label.en.endswith(".") and label.ar.endswith(".") and label.examples
            assert not any("a" <= c <= "z" for c in label.ar)
    assert {frozenset(e.map) for e in s.entities.values()} == {frozenset({"anercorp", "ontonotes5", "wojood"})}
    assert {frozenset(e.map) for e in s.events.values()} == {frozenset({"plover", "cameo", "ace2005"})}
    roots = {f"{n:02d}" for n in range(1, 21)}
    assert all(set(e.map["cameo"]) <= roots for e in s.events.values())


def test_schema_sources_map_to_our_labels() -> None:
    s = schema()
    for source in s.sources.values():
        assert set(source.annotates) <= set(s.entities)
        for ours in source.labels.values():
            assert set(ours) <= set(s.entities)


def test_schema_names_are_clean() -> None:
    assert all(clean(name).clean == name for name in schema().names if name != "عمّان")
