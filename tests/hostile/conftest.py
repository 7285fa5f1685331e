"""The small training of the tests of the runtime."""

from tests.runtime.conftest import train as train
