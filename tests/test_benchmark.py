from __future__ import annotations

from pathlib import Path

import pytest

from arnews import Tagger
from tests.conftest import news
from training import profiling
from training.benchmark import articles, measure, plot, sentences, summary, table


def rows(words: tuple[float, ...], cold: float, memory: float) -> list[dict[str, float]]:
    return [{"words_per_second": w, "cold_start_s": cold, "peak_rss_mb": memory} for w in words]


def test_benchmark_ratios_are_medians_of_runs_in_pairs() -> None:
    found = summary(
        {
            "arnews": rows((100.0, 300.0, 200.0), 0.5, 100.0),
            "pipeline": rows((10.0, 10.0, 40.0), 5.0, 800.0),
            "pipeline_best": rows((50.0, 50.0, 50.0), 5.0, 900.0),
        }
    )
    assert (found["ratio_to_pipeline"], found["ratio_to_pipeline_best"], found["runs"]) == (10.0, 4.0, 3)
    assert (found["words_per_second"], found["cold_start_s"], found["peak_rss_mb"]) == (200, 0.5, 100)
    assert (found["cold_start_ratio"], found["peak_rss_ratio"]) == (0.1, 0.125)
    assert "ratio_to_camel" not in found
    assert "| words/s, bundled model to the pipeline, batch 32 | 10.0 |" in table(found)
    assert "| arnews, bundled model | 200 | 0.5 | 100 |" in table(found)


def test_benchmark_reads_the_corpus_or_a_file(tmp_path: Path) -> None:
    found = articles(None, 500)
    assert sum(len(t.split()) for t in found) >= 500 and found == articles(None, 500)
    path = tmp_path / "raw.txt"
    path.write_text("قال الرجل.\nثم مضى.\n\nوصل القطار.\n", encoding="utf-8")
    assert sorted(set(articles(path, 20))) == ["قال الرجل.\nثم مضى.", "وصل القطار."]
    assert sentences(["قال الرجل. ثم مضى.\nوصل"]) == ["قال الرجل.", "ثم مضى.", "وصل"]


def test_profile_accounts_for_all_of_the_time(tmp_path: Path) -> None:
    tagger, texts = Tagger(), news(40, low=20, high=60)
    spent = profiling.stages(tagger, texts)
    assert sum(v for k, v in spent.items() if "time" in k) == pytest.approx(100, abs=0.5)
    assert 0 <= spent["padding, % of the tokens"] < 50
    found = profiling.operators(tagger, texts)
    assert sum(found["operators, % of the graph's time"].values()) <= 100.5
    assert profiling.matrix_peak(64, 2) > 0
    assert set(profiling.lengths(tagger, texts, (10, 50), 1)) == {10, 50}
    memory = profiling.growth(tagger, ["قال"], 1200)
    assert set(memory) == {"MB after 1,000 documents", "MB after 1,200", "growth, %"}
    result = summary({"arnews": rows((100.0,), 1, 1), "pipeline": rows((10.0,), 1, 1)})
    result["profile"] = {"microseconds a word, by words of the text": {10: 5.0, 50: 5.0}}
    plot(result, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"speed.png", "length.png"}


@pytest.mark.slow
def test_every_peer_that_is_installed_reads_every_text(tmp_path: Path) -> None:
    names = ("arnews", "pipeline", "pipeline_1", "pipeline_best", "pipeline_ours", "arnews_base_fp32", "arnews_base")
    found = measure(1, dict.fromkeys(names, 200), None, tmp_path)
    assert all(run["words_per_second"] > 0 for runs in found.values() for run in runs)
