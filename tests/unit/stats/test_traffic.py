"""Attempts are counted by how they ended, those that were answered by a no apart."""

from __future__ import annotations

import json

import pytest

from unbreakable.simulation.model import Model
from unbreakable.stats import Traffic


def seen(**attempts) -> Traffic:
    traffic = Traffic()
    traffic.update(**attempts)
    return traffic


def test_a_record_of_an_older_version_knows_of_no_nos():
    """What was stored before they were counted is read as it was meant."""
    record = seen(ok=[0.1] * 90, failed=[0.01] * 10, repeats=10).to_dict()
    del record["answered"]
    old = Traffic.from_dict(json.loads(json.dumps(record)))

    assert (0, 10) == (old.answered, old.repeats)
    assert 10 / 90 == Model(old).fails


def test_a_record_without_what_every_version_wrote_is_none():
    """Only what is newer may be missing."""
    record = seen(ok=[0.1]).to_dict()
    del record["repeats"]

    with pytest.raises(ValueError, match="repeats"):
        Traffic.from_dict(record)


def test_nos_are_aged_and_merged_like_all_others():
    """So the share of attempts that fail stays, however much of the past counts half."""
    traffic, other = (seen(ok=[0.1] * 50, answered=900, failed=[0.01] * 50) for _ in range(2))
    fails = Model(traffic).fails
    traffic.merge(other)
    traffic.halve()

    assert 900 == traffic.answered
    assert 0.05 == fails == Model(traffic).fails


def test_nos_are_no_evidence_of_how_long_good_answers_take():
    """Nor is a share of them a success that has a duration."""
    traffic = seen(ok=[0.1] * 50, answered=900)

    assert (50, 50, 1.0) == (traffic.count, traffic.requests, traffic.value())


def test_there_are_no_fewer_than_none():
    """Numbers below zero are a mistake of whoever counts."""
    with pytest.raises(ValueError, match="answered"):
        seen(answered=-1)


def test_a_record_of_an_older_version_knows_of_nothing_in_vain():
    """What was stored before it was counted has every failure repeated."""
    record = seen(ok=[0.1] * 90, failed=[0.01] * 10, repeats=5, in_vain=5).to_dict()
    new = Traffic.from_dict(json.loads(json.dumps(record)))
    del record["in_vain"]
    old = Traffic.from_dict(json.loads(json.dumps(record)))

    assert (5, 0) == (new.in_vain, old.in_vain)
    assert (0.5, 0.0) == (Model(new).in_vain, Model(old).in_vain)
