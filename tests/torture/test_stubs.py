"""Functions whose every attribute is another such function, as those of an RPC proxy are."""

from __future__ import annotations

import functools

import unbreakable as ub


class Stub:
    """Call something far away, whatever it is asked for."""

    def __init__(self, calls, name="far"):
        self.calls, self.name = calls, name

    def __getattr__(self, name):
        return Stub(self.calls, f"{self.name}.{name}")

    def __call__(self, *args):
        self.calls.append(self.name)
        return len(self.calls)


def test_a_stub_is_protected_by_a_decorator():
    """It is called once, by the caller, and by nobody who wants to know its name."""
    calls = []
    protected = ub.protect(Stub(calls))

    assert (1, ["far"]) == (protected(), calls)
    assert "Stub" == protected.node.name


def test_a_stub_is_run_by_every_engine(tmp_path):
    """A simulation, a workflow with a state file and a loop take it for what it is."""
    calls = []
    stub = Stub(calls)
    with ub.QuantumSimulationEngine() as engine:
        assert [1, 2] == [engine.execute_quantum_sync(stub), engine.execute_quantum_sync(stub)]
        assert 1 == len(engine._jobs)
    with ub.OrchestratorNode(state=tmp_path / "runs.db") as orchestrator:
        steps = [ub.Step(name, stub, compensate=stub) for name in ("one", "two")]
        assert {"one": 3, "two": 4} == orchestrator.orchestrate_sync(steps).unwrap()
    loop = ub.QuantumLoopEngine().create_loop(stub, interval=0, max_iterations=1)

    assert ("Stub", ["far"] * 4) == (loop.name, calls)


def test_a_stub_serves_wherever_a_function_does():
    """It loads, handles, mends and answers; nobody asks it how it wants to be called."""
    calls = []
    stub = Stub(calls)
    node = ub.FractalNode("far", functools.partial(stub), remedies=[(OSError, stub)], fallback=stub)

    assert 1 == ub.CacheNode(loader=stub).get_sync("key")
    assert 1 == ub.StreamNode(handler=stub).process_stream_sync([1]).handled
    assert 3 == node.execute_sync().value
    assert ["far"] * 3 == calls
