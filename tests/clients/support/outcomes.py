"""A pytest plugin that writes what became of each test, one JSON object a line.

The file is named by `ASSAY_OUTCOMES`. `cargo xtask clients` reads it: its
verdict rests on test ids, not on the exit status of pytest.
"""

import json
import os

import pytest


def pytest_configure(config):
    # Workers of xdist send their reports to the controller, which writes them.
    path = os.environ.get("ASSAY_OUTCOMES")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Outcomes(path), "assay-outcomes")


class Outcomes:
    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8")
        self.seen = {}

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report):
        outcome, detail = report.outcome, str(report.longrepr or "")
        if hasattr(report, "wasxfail") and report.outcome == "skipped":
            outcome = "xfailed"
        if report.when == "call" or outcome != "passed":
            # A failing teardown makes a passed test fail.
            if self.seen.get(report.nodeid) != "failed":
                self.seen[report.nodeid] = outcome
                self.write(report.nodeid, outcome, detail)

    def pytest_collectreport(self, report):
        if report.failed:
            self.write(report.nodeid, "failed", str(report.longrepr))

    def write(self, node, outcome, detail):
        self.file.write(json.dumps({"id": node, "outcome": outcome, "detail": detail[-4000:]}) + "\n")
        self.file.flush()
