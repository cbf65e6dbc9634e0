"""Which of upstream's tests run here, and the options their conftest expects of a root conftest.

`nodes.txt` names what must pass, `left_out.txt` what does not count and why.
Together they name every test, so that none is forgotten. Upstream skips some
tests because its service answers late; ours does not, so a listed test runs
whatever upstream's marks say.
"""

import logging
import os
import pathlib

# Before a test that first imports it while the time is frozen, which its dependencies do not bear.
import langchain_core.messages  # noqa: F401
import pytest

HERE = pathlib.Path(__file__).parent


def pytest_addoption(parser):
    parser.addoption("--runslow", action="store_true")
    parser.addoption("--vcr-mode", default="none")


def lines(name):
    """The lines of a list without their comments."""
    text = (HERE / name).read_text(encoding="utf-8")
    stripped = (line.split("  #")[0].strip() for line in text.splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


def listed():
    """Node ids that must pass, each with whether it needs a process to itself."""
    return {line.removeprefix("alone "): line.startswith("alone ") for line in lines("nodes.txt")}


def is_left_out(node, left_out):
    """By its own id, by that of all its parametrizations, or by its file."""
    return not left_out.isdisjoint({node, node.split("[")[0], node.split("::")[0]})


def pytest_ignore_collect(collection_path):
    """Whole files that do not count need not even be importable."""
    out = [HERE / line for line in lines("left_out.txt") if "::" not in line]
    return True if collection_path in out else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    nodes, left_out = listed(), set(lines("left_out.txt"))
    alone = os.environ.get("ASSAY_PART") == "alone"
    found = {item.nodeid for item in items}
    missing = sorted(set(nodes) - found)
    unlisted = sorted(node for node in found - set(nodes) if not is_left_out(node, left_out))
    # Said once, where no worker of xdist has to bring it across.
    if alone and (missing or unlisted):
        raise pytest.UsageError(f"listed but not there: {missing}; there but not listed: {unlisted}")
    keep = [item for item in items if nodes.get(item.nodeid) is alone]
    for item in keep:
        item.own_markers = [mark for mark in item.own_markers if mark.name not in ("skip", "xfail")]
    config.hook.pytest_deselected(items=[item for item in items if item not in keep])
    items[:] = keep
    # Upstream's conftest logs all that the SDK does. A test that asserts that nothing was logged would
    # fail whenever the thread of its client says only then that it started.
    logging.getLogger("langsmith").setLevel(logging.WARNING)
