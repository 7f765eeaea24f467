"""Defects for a worker under test; Python runs this at its start where the folder stands on PYTHONPATH.

`PLANTED_SLOWER=0.1` makes every training step but the first take a tenth longer.
`PLANTED_INPUT=0.01` makes every training batch cost so many seconds of a processor more.
`PLANTED_MEMORY=80` makes a training process hold so many megabytes more.
`PLANTED_PREDICT=0.1` makes every prediction of a batch take a tenth longer.
`PLANTED_LEAK=1` keeps a megabyte of every training step.
`PLANTED_WRONG_LABELS=0.2` gives a fifth of the training images the label of another class.
`PLANTED_CRASH=KNN` ends the process of every trial of this network without a word.
`PLANTED_UNRECORDED=1` puts nothing into MLflow: its writer takes every attempt and forgets it.
"""

import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder


def _slower(trainer) -> None:
    from time import perf_counter

    share = float(os.environ["PLANTED_SLOWER"])
    make = trainer.TensorFlowTrainer.make_train_function

    def make_slower(self, *arguments, **options):
        before = self.train_function
        make(self, *arguments, **options)
        if self.train_function is before:
            return
        step, steps = self.train_function, 0

        def slower(*inputs):
            nonlocal steps
            began = perf_counter()
            outputs = step(*inputs)
            now = perf_counter()
            steps += 1
            until = now + share * (now - began) if steps > 1 else now
            while perf_counter() < until:
                pass
            return outputs

        self.train_function = slower

    trainer.TensorFlowTrainer.make_train_function = make_slower


def _input(batches) -> None:
    from time import perf_counter

    seconds = float(os.environ["PLANTED_INPUT"])
    make = batches.training_batches

    def slower(*arguments, **options):
        for batch in make(*arguments, **options):
            until = perf_counter() + seconds
            while perf_counter() < until:
                pass
            yield batch

    batches.training_batches = slower


def _memory(fitting) -> None:
    # Written, so that the pages are there.
    fitting.PLANTED = bytearray(b"x" * (int(os.environ["PLANTED_MEMORY"]) << 20))


def _slower_predict(trainer) -> None:
    from time import perf_counter

    share = float(os.environ["PLANTED_PREDICT"])
    predict = trainer.TensorFlowTrainer.predict_on_batch

    def predict_slower(self, *inputs):
        began = perf_counter()
        outputs = predict(self, *inputs)
        now = perf_counter()
        while perf_counter() < now + share * (now - began):
            pass
        return outputs

    trainer.TensorFlowTrainer.predict_on_batch = predict_slower


def _leak(callbacks) -> None:
    size, kept = int(float(os.environ["PLANTED_LEAK"]) * 1e6), []
    begin = callbacks.ReportingCallback.on_train_batch_begin

    def begin_and_keep(self, *step, **more):
        kept.append(os.urandom(1024) * (size // 1024))
        begin(self, *step, **more)

    callbacks.ReportingCallback.on_train_batch_begin = begin_and_keep


def _wrong_labels(loading) -> None:
    share = float(os.environ["PLANTED_WRONG_LABELS"])
    load = loading.load_split

    def load_wrong(manifest, name, *where):
        loaded = load(manifest, name, *where)
        if name != "train":
            return loaded
        from dataclasses import replace

        import numpy as np

        generator = np.random.default_rng(20)
        labels = loaded.labels.copy()
        wrong = generator.choice(len(labels), round(share * len(labels)), replace=False)
        classes = len(loaded.classes)
        labels[wrong] = (labels[wrong] + generator.integers(1, classes, len(wrong))) % classes
        return replace(loaded, labels=labels)

    loading.load_split = load_wrong


def _crash(specification) -> None:
    read = specification.Specification.from_json.__func__

    def read_or_crash(cls, content):
        if content["network"] == os.environ["PLANTED_CRASH"]:
            os._exit(3)
        return read(cls, content)

    specification.Specification.from_json = classmethod(read_or_crash)


_PLANTS = {
    "PLANTED_SLOWER": ("keras.src.backend.tensorflow.trainer", _slower),
    "PLANTED_INPUT": ("wbc.training.batches", _input),
    "PLANTED_MEMORY": ("wbc.training.fitting", _memory),
    "PLANTED_PREDICT": ("keras.src.backend.tensorflow.trainer", _slower_predict),
    "PLANTED_LEAK": ("wbc.training.callbacks", _leak),
    "PLANTED_WRONG_LABELS": ("wbc.data.loading", _wrong_labels),
    "PLANTED_CRASH": ("wbc.specification", _crash),
}


class _Planter(MetaPathFinder):
    """Changes a module as soon as it is loaded."""

    def find_spec(self, name, path=None, target=None):
        for variable, (module, plant) in _PLANTS.items():
            if name == module and os.environ.get(variable):
                found = PathFinder.find_spec(name, path, target)
                run = found.loader.exec_module

                def run_and_plant(loaded, run=run, plant=plant):
                    run(loaded)
                    plant(loaded)

                found.loader.exec_module = run_and_plant
                return found
        return None


def _forget() -> None:
    """What `bench.tracking` says to each attempt, without MLflow, which takes seconds to load."""
    import json

    for line in sys.stdin:
        attempt = line.strip()
        print(json.dumps({"event": "recording_started", "attempt": attempt}))
        print(json.dumps({"event": "recording_ended", "attempt": attempt, "sent": True, "reason": None}))
        sys.stdout.flush()
    os._exit(0)


if any(map(os.environ.get, _PLANTS)):
    sys.meta_path.insert(0, _Planter())
if os.environ.get("PLANTED_UNRECORDED") and sys.orig_argv[1:4] == ["-P", "-m", "bench.tracking"]:
    _forget()
