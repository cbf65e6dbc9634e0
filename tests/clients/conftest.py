"""What the Python suites share: a project of one's own, a thread of one's own, the stand-in API."""

import uuid

import pytest
from stand_in import StandIn


@pytest.fixture
def project(request):
    """The name of a project no other test uses."""
    return f"{request.node.name}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def thread():
    return f"thread-{uuid.uuid4()}"


@pytest.fixture(scope="session")
def stand_in():
    server = StandIn()
    yield server
    server.close()
