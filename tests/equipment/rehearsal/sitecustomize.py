"""TEST EQUIPMENT: lets programs believe that the processor is the GPU which the stand-in for NVIDIA's library lists.

Python imports this module at its start, in every program that has its folder in `PYTHONPATH`.
"""

import importlib.abc
import importlib.util
import os
import sys

if os.environ.get("JAX_PLATFORMS") == "cuda,cpu":
    os.environ["JAX_PLATFORMS"] = "cpu"


class Finder(importlib.abc.MetaPathFinder):
    """Changes `bench.worker.backends` once it was imported: each framework sees a GPU."""

    def find_spec(self, name, path=None, target=None):
        if name != "bench.worker.backends":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            given = os.environ.get("LEUKOBENCH_DEVICE_KIND") == "gpu"
            for backend, load in list(module._LOADERS.items()):
                module._LOADERS[backend] = lambda load=load: (
                    load() | ({"gpus": ["stand-in"]} if given else {})
                )

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Finder())
