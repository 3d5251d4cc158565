from __future__ import annotations

from training.benchmark import sentences, summary, table


def test_benchmark_ratios_are_medians_of_runs_in_pairs() -> None:
    ours = [{"words_per_second": w, "cold_start_s": 0.5, "peak_rss_mb": 100.0} for w in (100.0, 300.0, 200.0)]
    theirs = [{"words_per_second": w, "cold_start_s": 5.0, "peak_rss_mb": 800.0} for w in (10.0, 10.0, 40.0)]
    found = summary({"arnews": ours, "pipeline": theirs})
    assert (found["ratio_to_pipeline"], found["words_per_second"], found["runs"]) == (10.0, 200, 3)
    assert (found["cold_start_ratio"], found["peak_rss_ratio"]) == (0.1, 0.125)
    assert "| words/s | 200 | 10 | 10.0 |" in table(found)


def test_benchmark_reads_sentences_of_the_corpus() -> None:
    found = sentences(500)
    assert 500 <= sum(len(s.split()) for s in found) < 700
    assert found == sentences(500)
