"""Numbers that decide what is found, trained and measured: whoever changes one changes results, and says so here."""

from importlib import import_module

import numpy as np

CONSTANTS = {
    "wbc.classical.catalog": {"SMALLEST_IMAGE": 32},
    "wbc.classical.features": {
        **{"WORKING_SIDE": 128, "LEVELS": 32, "_LOBE_DEPTH": 0.2, "_DARKEST": 50, "_VIOLET": 8},
        **{"_ON_BORDER": 0.25, "_BRIGHTEST": 0.9},
        "_DIRECTIONS": (0, np.deg2rad(45), np.deg2rad(90), np.deg2rad(135)),
    },
    "wbc.classical.methods": {"CALIBRATION_FOLDS": 5},
    "wbc.classical.train": {"BATCH": 16},
    "wbc.data.contact_sheet": {"_GAP": 4, "_PAPER": (255,) * 3, "_INK": (40,) * 3},
    "wbc.data.download": {"TIMEOUT_S": 30.0, "ATTEMPTS": 3, "_CHUNK": 65_536, "_NOT_SATISFIABLE": 416},
    "wbc.data.join_sources": {"_HELD": 1024},
    "wbc.data.pipeline.folds": {"HELD_OUT": {"train": 0.8, "validation": 0.2}},
    "wbc.data.pipeline.opening": {"MAX_PIXELS": 120_000_000},
    "wbc.data.pipeline.splitting": {"DEFAULT_FRACTIONS": {"train": 0.6, "validation": 0.15, "test": 0.25}},
    "wbc.data.prepare": {
        "THESIS_COUNTS": {"train": 4394, "validation": 440, "test": 440},
        "THESIS_TEST_CELLS": 10,
    },
    "wbc.duplicates.candidates": {"SMALLEST_SIDE": 16, "_FOLDED": 64, "_BLOCK": 512, "_BATCH": 32},
    "wbc.duplicates.frames": {"_FILL_TOLERANCE": 6, "_SMALLEST_FILL": 0.03},
    "wbc.duplicates.gallery": {"_BATCH": 64, "_PAIRS": 256, "_KEPT": 16_384, "_REMEMBERED": 250_000_000},
    "wbc.duplicates.registration": {"_HOPELESS": 0.22, "_ROUGH": 0.25, "LEAST_PIXELS": 64},
    "wbc.duplicates.rough": {"_BATCH": 64},
    "wbc.duplicates.shifted": {"_BLOCK": 256, "_BATCH": 32},
    "wbc.errors": {"LONGEST": 440},
    "wbc.evaluation.cost": {"LEAST_BATCHES": 3, "REPEAT_BUDGET_S": 1.0},
    "wbc.evaluation.counting": {"RESAMPLES": 2000, "_TAIL": 0.01},
    "wbc.evaluation.intervals": {"CONFIDENCE": 0.95, "RESAMPLES": 2000},
    "wbc.evaluation.latency": {
        **{"BATCHES": (1, 16, 64), "WARM_UP": 3, "BUDGET_S": 0.3, "LEAST_CALLS": 3, "MOST_CALLS": 400},
        **{"WANTED": {1: (100, 1.0)}, "USUALLY_WANTED": (20, 1.0), "TOO_SLOW_S": 0.5},
        "NEEDED": {0.5: 1, 0.95: 20, 0.99: 100},
    },
    "wbc.evaluation.likeness": {
        **{"FALSE_FLAGS": 0.05, "MOST_IMAGES": 200, "_DIRECTIONS": 16, "_PER_DIRECTION": 5, "_LONGEST": 512},
        **{"_SCALES": 5, "_COLOR_NOISE": 4.0, "_CONTRAST_NOISE": 0.1},
    },
    "wbc.evaluation.metrics": {"CALIBRATION_BINS": 15},
    "wbc.experiment": {"CALIBRATION_IMAGES": 100, "MOST_EXPLAINED": 24},
    "wbc.kept": {"POLL_S": 0.5, "IN_PROCESS_BYTES": 67_108_864},
    "wbc.memory.allocator": {"ALIGNMENT": 256, "_SPLIT": 134_217_728, "_FIRST_REGION": 2_097_152},
    "wbc.memory.footprint": {"LEAST_COUNTED": {"CPU": 262_144, "GPU": 0}},
    "wbc.memory.graph": {
        **{"_BYTES_A_SECOND": 6e9, "_FLOPS_A_SECOND": 6e10, "_DISPATCH_S": 1e-6, "_QUICK_S": 1e-7},
    },
    "wbc.memory.step": {"STEPS": 4},
    "wbc.networks.attention": {"_LEAST_SIDE": 4, "_MOST_TILES": 32},
    "wbc.networks.build": {"_IMAGENET_DEVIATIONS": (0.229, 0.224, 0.225)},
    "wbc.networks.complexity": {"FLOPS_A_MAC": 2},
    "wbc.networks.stock": {"_TOLERANCE": 1e-6},
    "wbc.profiling.summary": {"TOP": 100, "_PICO": 1e-12},
    "wbc.reference_work": {"SIZES": {"cpu": 1024, "gpu": 4096}, "ROUND_S": 0.08, "BUDGET_S": 0.5},
    "wbc.specification": {"HEAD_UNITS": 256},
    "wbc.training.augmentation": {"_STREAM": 1, "_DIAGONAL": 0.21},
    "wbc.training.callbacks": {"HEARTBEAT_S": 1.0},
    "wbc.training.classifier": {"TIMED": 21, "HELD_BYTES": 268_435_456},
    "wbc.training.export": {"_TIMED_CALLS": 50, "_WARM_UP": 3},
    "wbc.training.feature_cache": {"_AT_ONCE": 256},
    "wbc.training.finetune": {"HEAD": 0, "WHOLE": 1},
    "wbc.training.rate_search": {
        **{"STEPS": 100, "LOWEST": 1e-6, "HIGHEST": 1.0, "BELOW": 10.0, "SMOOTHING": 0.8, "RISEN": 2.0},
        "_FEWEST": 10,
    },
    "wbc.training.session": {"BATCHES_AHEAD": 4, "AVERAGING": (3, 8)},
    "wbc.training.timing": {"MOST_BLOCKS": 256, "SMALL_EPOCH": 16, "POINTS": 40},
    "wbc.training.tracing": {"WARM_UP": 3},
}

ARRAYS = {
    "wbc.duplicates.frames": {"_GRAY": [0.299, 0.587, 0.114]},
    "wbc.networks.preprocessing": {
        "IMAGENET_MEAN": [123.68, 116.779, 103.939],
        "IMAGENET_DEVIATION": [58.393, 57.12, 57.375],
    },
    "wbc.training.augmentation": {"_GRAY": [0.299, 0.587, 0.114]},
}


def test_numbers_are_those_that_results_were_made_with():
    found = {
        module: {name: getattr(import_module(module), name) for name in names}
        for module, names in CONSTANTS.items()
    }
    assert found == CONSTANTS
    for module, arrays in ARRAYS.items():
        for name, numbers in arrays.items():
            np.testing.assert_array_equal(getattr(import_module(module), name), np.float32(numbers), name)
