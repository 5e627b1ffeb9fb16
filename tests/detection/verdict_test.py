#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the matrix makes of a history: a wrong decision of the daemon must not pass."""
import unittest

from fallbacks import expected
from rows import LOAD, MAYBE, NOT, SERVES, UNSEEN, Row
from verdict import judge, score, wrong

SUSPECTED = {"kind": "suspected", "pid": 7, "file": "254:0:42", "after_us": 1500, "mono": 1000}
STARTED = {"kind": "started", "pid": 7, "load": 3, "evidence": "maps", "mono": 4000}
FINISHED = {"kind": "finished", "pid": 7, "load": 3, "mono": 9000}
REJECTED = {"kind": "rejected", "pid": 7, "file": "254:0:42", "reason": "keeps nothing"}


def written(owner, knob):
    return {"kind": "written", "owner": owner, "knob": knob}


def row(label, loads=1):
    return Row("x", label, (), loads=loads)


class Judge(unittest.TestCase):
    def test_a_load(self):
        verdict = judge([SUSPECTED, STARTED, FINISHED], {42}, [])
        self.assertEqual((verdict.decided, verdict.end, verdict.loads), ("load", "finished", 1))
        self.assertEqual((verdict.suspected_ms, verdict.load_ms), (1.5, 4.5))
        self.assertFalse(verdict.pending)
        self.assertEqual(wrong(row(LOAD), verdict), "")
        self.assertIn("1 loads", wrong(row(NOT), verdict))

    def test_until_its_end_it_is_pending(self):
        self.assertTrue(judge([SUSPECTED], {42}, []).pending)
        self.assertTrue(judge([SUSPECTED, STARTED], {42}, []).pending)

    def test_one_load_told_as_two_is_wrong(self):
        again = dict(STARTED, load=4)
        verdict = judge([SUSPECTED, STARTED, again, FINISHED], {42}, [])
        self.assertTrue(verdict.pending)
        self.assertIn("2 loads", wrong(row(LOAD), verdict))
        self.assertEqual(wrong(row(LOAD, loads=2), verdict), "")

    def test_somebody_elses_load_is_not_the_runs(self):
        verdict = judge([SUSPECTED, STARTED, FINISHED], {43}, [8])
        self.assertEqual((verdict.decided, verdict.loads), ("not seen", 0))
        self.assertIn("0 loads", wrong(row(LOAD), verdict))

    def test_a_started_program_counts_whatever_it_reads(self):
        self.assertEqual(judge([SUSPECTED, STARTED], set(), [7]).decided, "load")

    def test_a_confuser_is_rejected(self):
        verdict = judge([SUSPECTED, REJECTED], {42}, [])
        self.assertEqual((verdict.decided, verdict.reason), ("rejected", "keeps nothing"))
        self.assertEqual(wrong(row(NOT), verdict), "")
        self.assertIn("suspected only", wrong(row(NOT), judge([SUSPECTED], {42}, [])))

    def test_a_confuser_has_no_knob_but_its_read_ahead(self):
        history = [SUSPECTED, REJECTED, written("suspect 7", "block/vda/queue/read_ahead_kb"),
                   written("suspect 8", "vm.swappiness")]
        self.assertEqual(wrong(row(NOT), judge(history, {42}, [])), "")
        history.append(written("suspect 7", "vm.swappiness"))
        self.assertIn("vm.swappiness", wrong(row(NOT), judge(history, {42}, [])))

    def test_a_warm_start_serves_without_a_load(self):
        serving = {"kind": "serving", "pid": 7, "mono": 2000}
        verdict = judge([SUSPECTED, serving], {42}, [])
        self.assertEqual(wrong(row(SERVES), verdict), "")
        self.assertIn("serving", wrong(row(NOT), verdict))
        self.assertIn("expected serving", wrong(row(SERVES), judge([SUSPECTED], {42}, [])))

    def test_what_may_be_missed_must_not_be_more_than_it_is(self):
        load = judge([SUSPECTED, STARTED, FINISHED], {42}, [])
        twice = judge([SUSPECTED, STARTED, dict(STARTED, load=4), FINISHED], {42}, [])
        self.assertEqual(wrong(row(MAYBE), judge([], {42}, [])), "")
        self.assertEqual(wrong(row(MAYBE), load), "")
        self.assertIn("2 loads", wrong(row(MAYBE), twice))


class Expected(unittest.TestCase):
    def test_without_mappings_a_warm_start_is_not_seen(self):
        self.assertEqual(expected(row(SERVES), ("mappings",)).label, UNSEEN)
        self.assertEqual(expected(row(SERVES), ("reads",)).label, SERVES)

    def test_what_is_sampled_may_be_over_before_it_is_looked_at(self):
        closing = Row("x", LOAD, (), lets_go=True)
        self.assertEqual(expected(closing, ("reads",)).label, MAYBE)
        self.assertEqual(expected(closing, ("cache_fills",)).label, LOAD)
        self.assertEqual(expected(row(LOAD), ("reads",)).label, LOAD)


class Score(unittest.TestCase):
    def test_recall_and_precision(self):
        load = judge([SUSPECTED, STARTED, FINISHED], {42}, [])
        nothing = judge([], {42}, [])
        self.assertEqual(score([(row(LOAD), load), (row(NOT), nothing)]), (1, 1))
        self.assertEqual(score([(row(LOAD), load), (row(LOAD), nothing)]), (0.5, 1))
        self.assertEqual(score([(row(LOAD), load), (row(NOT), load)]), (1, 0.5))
        self.assertEqual(score([(row(MAYBE), load), (row(MAYBE), nothing)]), (0.5, 1))
        self.assertEqual(score([(row(NOT), nothing)]), (None, None))


if __name__ == "__main__":
    unittest.main()
