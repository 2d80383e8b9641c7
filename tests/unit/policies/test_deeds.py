"""What is told of what a call has done."""

from __future__ import annotations

import pickle
from types import SimpleNamespace

from unbreakable.policies.deeds import Deeds


def test_what_is_settled_can_be_sent_elsewhere():
    """A worker process tells the one that it works for, whatever it has left at work."""

    class Call:
        live, idle, plan = True, False, SimpleNamespace(effects="once")

    deeds = Deeds()
    deeds.at_work.add(Call())
    told = pickle.loads(pickle.dumps(deeds.settle()))  # noqa: S301 - our own

    assert {"acted": False, "doubtful": True, "unrepeatable": True} == told.flags()
    assert (True, set()) == (told.touched, told.at_work)
