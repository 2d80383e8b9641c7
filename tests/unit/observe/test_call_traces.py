"""Calls are recorded on request, in a file that is bounded, shared, and readable whatever befell its writers."""

from __future__ import annotations

import json
import logging
import os
import random
import subprocess
import sys
import threading

import pytest
from tests.forking import SOURCE, in_a_program

import unbreakable as ub
from unbreakable.errors import ConfigurationError, StateBroken, StateError, StateLocked, StateNotOurs, StateTooNew
from unbreakable.observe.calls import read_trace
from unbreakable.observe.calls.recorder import LEAST_BYTES, MOST_WAITING


def node_that(fails=False, name="n", **options):
    """Return a node whose operation fails, or not."""

    def work():
        if fails:
            raise ConnectionError("secret message")

    return ub.FractalNode(name, work, retry=False, breaker=False, **options)


def told_by(*nodes):
    """Return what is told of a call of each of *nodes*, which nobody else is to be told of."""
    told = []
    for node in nodes:
        node.listeners = ()
        node.on(ub.events.CallEnded, told.append)
        node.execute_sync()
    return told


def test_what_is_recorded_is_read(tmp_path):
    """The settings in force, and each attempt."""
    good, bad = node_that(), node_that(fails=True, name="m", timeout=ub.Timeout(2.0, cut_threads=False))
    with ub.record_trace(tmp_path / "calls", good, bad):
        good.execute_sync()
        bad.execute_sync()
    first, second = read_trace(tmp_path / "calls").calls

    assert ("n", "ok", 1, None) == (first.node, first.status, len(first.attempts), first.attempts[0].failure)
    assert ("m", "failed", "unreachable") == (second.node, second.status, second.attempts[0].failure.kind)
    assert (2.0, None) == (second.settings["timeout"]["seconds"], first.settings["timeout"])
    assert first.began <= second.began


def test_nothing_of_what_calls_are_about_is_recorded(tmp_path):
    """No argument, key, result or message."""

    @ub.protect("n", key=lambda word: word, retry=False)
    def work(word):
        if word == "secret two":
            raise ValueError(f"no such {word}")
        return f"{word} result"

    with ub.record_trace(tmp_path / "calls", work):
        work("secret one")
        with pytest.raises(ValueError, match="secret"):
            work("secret two")

    text = (tmp_path / "calls").read_text()
    assert 2 == len(read_trace(tmp_path / "calls").calls)
    assert not any(word in text for word in ("secret", "ValueError", "result"))


def test_without_nodes_every_one_is_recorded(tmp_path):
    """Those that there are, and those that come; afterwards nobody listens any more."""
    before, path = node_that(), tmp_path / "calls"
    with ub.record_trace(path):
        later = node_that(name="later")
        later.execute_sync()
        before.execute_sync()
    after = node_that()

    assert {"later", "n"} <= set(read_trace(path).nodes())
    assert () == before.listeners == later.listeners == after.listeners


def test_the_file_keeps_to_its_bound_and_loses_the_oldest(tmp_path):
    """With the one beside it, it is never larger."""
    path, sizes = tmp_path / "calls", []
    with ub.record_trace(path, most_bytes=LEAST_BYTES) as recorder:
        calls = told_by(node_that(fails=True), node_that(name="last"))
        for _ in range(8):
            for _ in range(200):
                recorder.note(calls[0])
            recorder.flush()
            sizes.append(sum(file.stat().st_size for file in tmp_path.iterdir()))
        recorder.note(calls[1])
    trace = read_trace(path)

    assert LEAST_BYTES / 4 < sizes[-1] <= max(sizes) <= LEAST_BYTES
    assert (0, True) == (trace.lost, 300 < len(trace.calls) < 1_601)
    assert {"n": len(trace.calls) - 1, "last": 1} == trace.nodes()
    assert all(call.attempts[0].failure.kind == "unreachable" for call in trace.calls if call.node == "n")


def test_calls_that_come_too_fast_are_counted(tmp_path):
    """What waits to be written is bounded, too."""
    with ub.record_trace(tmp_path / "calls") as recorder:
        recorder._thread = threading.main_thread()  # one that never comes to write
        (call,) = told_by(node_that())
        for _ in range(MOST_WAITING + 4):
            recorder.note(call)
        lost = recorder.lost
        recorder._waiting.clear()
        recorder._thread = None

    assert 4 == lost == read_trace(tmp_path / "calls").lost


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", StateNotOurs),
        ("a poem\nof two lines", StateNotOurs),
        ('{"unbreakable": "calls", "version": 2, "half": ""}\n', StateTooNew),
        ('{"unbreakable": "calls", "version": 1, "half": ""}\n' + "[]\n" * 9, StateBroken),
        (
            '{"unbreakable": "calls", "version": 1, "half": ""}\n["p","a"]\n' + '["c",1,1,0.0,1.0,"ok",0.1]\n' * 9,
            StateBroken,
        ),
    ],
)
def test_a_file_that_is_no_trace_is_refused(tmp_path, text, error):
    """By an error that names it."""
    path = tmp_path / "calls"
    path.write_text(text)
    with pytest.raises(error, match=str(path)):
        read_trace(path)


@pytest.mark.parametrize("folder", [".", "/"])
def test_a_folder_is_no_trace(folder):
    """Be it one without a name."""
    with pytest.raises(StateError, match="cannot be read"):
        read_trace(folder)


@pytest.mark.parametrize("path", [None, 5, b"calls"])
def test_a_trace_has_a_path(path):
    """What is none is refused, and nothing is listened to."""
    with pytest.raises(ConfigurationError, match="record_trace: path must be"), ub.record_trace(path):
        pass


def test_a_file_of_somebody_else_is_not_written_to(tmp_path):
    """Neither is what cannot be opened, or is too small to hold anything; what is no node is refused."""
    path, node = tmp_path / "poem", node_that()
    path.write_text("a poem\n")
    for where, most, error in [
        (path, 10**6, StateNotOurs),
        (tmp_path, 10**6, StateError),
        (path, 1, ConfigurationError),
    ]:
        with pytest.raises(error), ub.record_trace(where, node, most_bytes=most):
            pass
    with pytest.raises(ConfigurationError, match="nodes or protected functions"), ub.record_trace(path, print):
        pass

    assert ("a poem\n", ()) == (path.read_text(), node.listeners)


def test_what_is_named_twice_is_recorded_once(tmp_path):
    """A replay of calls that stand there twice takes them for twice the traffic; methods of objects share a node."""

    class Client:
        @ub.protect("fares", effects="none")
        def ask(self) -> None:
            """Do nothing."""

    one, other = Client(), Client()
    with ub.record_trace(tmp_path / "calls", one.ask, other.ask, Client.ask.node):
        one.ask()
        other.ask()

    assert 2 == len(read_trace(tmp_path / "calls").calls)


def test_a_kind_of_node_is_no_node(tmp_path):
    """It has the methods of one; that they want a self is no answer."""
    with pytest.raises(ConfigurationError, match="nodes or protected"), ub.record_trace(tmp_path / "a", ub.FractalNode):
        pass


def test_a_disk_that_fails_costs_no_call(tmp_path, caplog):
    """It is told in the log, once, and what is missing is counted; recording goes on when the disk does."""
    path, node = tmp_path / "calls", node_that()
    with ub.record_trace(path, node) as recorder, caplog.at_level(logging.WARNING, "unbreakable"):
        path.unlink()
        path.mkdir()
        for _ in range(2):
            assert node.execute_sync().ok
            assert not recorder.flush()
        troubled, lost = recorder.trouble, recorder.lost
        path.rmdir()
        node.execute_sync()

    assert 1 == sum("not recorded for now" in each.message for each in caplog.records)
    assert ("cannot be opened" in troubled, 2, None) == (True, lost, recorder.trouble)
    assert (1, 2) == (len(read_trace(path).calls), read_trace(path).lost)


def test_a_line_that_was_torn_costs_no_other(tmp_path):
    """Whoever was killed in the middle of it, the next one begins a line of his own."""
    path = tmp_path / "calls"
    for number in range(2):
        with ub.record_trace(path, node := node_that(name=f"n{number}")):
            node.execute_sync()
        with path.open("ab") as file:
            file.write(b'["c",1,1,17')
    trace = read_trace(path)

    assert (["n0", "n1"], 2) == ([call.node for call in trace.calls], trace.broken)
    assert 2 == len({call.process for call in trace.calls})


@pytest.mark.parametrize(
    "line",
    [b'["l",1e999]', b'["c",1,1,' + b"9" * 400 + b',30,"ok",0.1]', b"[" * 100_000],
)
def test_a_line_that_no_number_or_depth_is_fit_for_costs_no_other(tmp_path, line):
    """It counts as one that cannot be read, and ends in no error of Python's own."""
    path = tmp_path / "calls"
    with ub.record_trace(path, node := node_that()):
        node.execute_sync()
    with path.open("ab") as file:
        file.write(line + b"\n")
    trace = read_trace(path)

    assert (1, 1) == (len(trace.calls), trace.broken)


def test_who_finds_a_new_file_tells_anew_what_has_to_be_known(tmp_path):
    """Whoever has put it there: what is in the file before may be dropped."""
    path, calls = tmp_path / "calls", told_by(node_that(name="a"), node_that(name="b"))
    with ub.record_trace(path, most_bytes=LEAST_BYTES) as one, ub.record_trace(path, most_bytes=LEAST_BYTES) as other:
        one.note(calls[0])
        one.flush()
        for _ in range(1_200):
            other.note(calls[1])
        other.flush()
        one.note(calls[0])
    trace = read_trace(path)

    assert (0, 1) == (trace.broken, trace.nodes()["a"])


def test_a_file_is_not_written_to_while_somebody_else_is_at_it(tmp_path, monkeypatch):
    """After some seconds that is told, and what is missing counted."""
    with ub.record_trace(tmp_path / "calls", node := node_that()) as recorder:
        held = recorder._file

        def is_held(*_):
            raise BlockingIOError

        with monkeypatch.context() as patch:
            patch.setattr("unbreakable.observe.calls.file.fcntl.lockf", is_held)
            patch.setattr("unbreakable.observe.calls.file.PATIENCE", 0.02)
            with pytest.raises(StateLocked, match="at work on it"):
                held.append(lambda *_: b"[]\n")
        node.execute_sync()

    assert 1 == len(read_trace(tmp_path / "calls").calls)


def test_flipped_bytes_are_told_or_cost_their_line(tmp_path):
    """Nothing else comes of them: no call is made up of a damaged line without an error or a count."""
    path, node = tmp_path / "calls", node_that()
    with ub.record_trace(path, node):
        for _ in range(20):
            node.execute_sync()
    whole, dice = path.read_bytes(), random.Random(5)
    for _ in range(60):
        place = dice.randrange(len(whole))
        path.write_bytes(whole[:place] + bytes([dice.randrange(256)]) + whole[place + 1 :])
        try:
            trace = read_trace(path)
            found = len(trace.calls) + trace.broken
        except StateError:
            continue
        assert 19 <= found <= 22


@pytest.mark.parametrize("seconds", [1e300, 1e12])
def test_seconds_that_no_clock_has_told_cost_their_line(tmp_path, seconds):
    """A replay would wait for that moment, and the library's clock stay there for as long as the process lives."""
    path, node = tmp_path / "calls", node_that()
    with ub.record_trace(path, node):
        node.execute_sync()
        node.execute_sync()
    lines = path.read_text().splitlines()
    kind, settings, target, began, *rest, took = json.loads(lines[-1])
    for damaged in ([seconds, *rest, took], [began, *rest, seconds]):
        path.write_text("\n".join([*lines[:-1], json.dumps([kind, settings, target, *damaged])]))
        trace = read_trace(path)

        assert (1, 1) == (len(trace.calls), trace.broken)


@pytest.mark.real
def test_who_is_killed_leaves_what_he_has_written(tmp_path):
    """By kill -9, in the middle of calls: all but the last second is there."""
    path = tmp_path / "calls"
    program = f"""
import unbreakable as ub
node = ub.FractalNode("n", lambda: 1)
with ub.record_trace({str(path)!r}, node) as recorder:
    while True:
        for _ in range(300):
            node.execute_sync()
        recorder.flush()
        print("written", flush=True)
"""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    with subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE) as process:
        for _ in range(2):
            process.stdout.readline()
        process.kill()
    trace = read_trace(path)

    assert 600 <= len(trace.calls)
    assert trace.broken <= 1


@pytest.mark.real
def test_several_processes_share_a_file(tmp_path):
    """A parent and its children, at the same time, while the file is full again and again: each call comes whole."""
    path = tmp_path / "calls"
    story = f"""
    node = ub.FractalNode("n", lambda: 1)
    def record():
        for _ in range(50):
            for _ in range(4):
                node.execute_sync()
            recorder.flush()
    children = []
    with ub.record_trace({str(path)!r}, node, most_bytes=100_000) as recorder:
        node.execute_sync()
        for _ in range(2):
            child = os.fork()
            if child == 0:
                record()
                os._exit(0)
            children.append(child)
        record()
        codes = [os.waitpid(child, 0)[1] for child in children]
    print(json.dumps(codes))
    """
    assert [0, 0] == in_a_program(story)
    trace = read_trace(path)
    each = {
        process: sum(call.process == process for call in trace.calls) for process in {c.process for c in trace.calls}
    }

    assert (0, 0) == (trace.broken, trace.lost)
    assert [200, 200, 201] == sorted(each.values())


def test_a_line_of_the_file_is_what_its_description_says(tmp_path):
    """Whoever reads it with other tools finds the header, the process, the settings and the call."""
    with ub.record_trace(tmp_path / "calls", node := node_that()):
        node.execute_sync()
    header, *lines = [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]

    assert {"unbreakable": "calls", "version": 1} == {name: header[name] for name in ("unbreakable", "version")}
    assert ["p", "s", "c"] == [line[0] for line in lines]
