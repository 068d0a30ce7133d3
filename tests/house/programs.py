"""Programs of the site: single files, no package."""

import importlib.util
import sys
from types import ModuleType

from tests.house.repository import ROOT


def program(name: str) -> ModuleType:
    """Return `operator/site/NAME.py` as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"operator/site/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
