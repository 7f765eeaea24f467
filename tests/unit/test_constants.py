"""Numbers that decide what is found, trained and measured: whoever changes one changes results, and says so here."""

from importlib import import_module

import numpy as np

CONSTANTS = {
    "bench.compare.betting": {
        **{"FIRST_BET": 0.9, "STEEPNESS": 2.0, "GRID": 241, "DRAWS": 300, "MANY_PAIRS": 40},
        "LARGEST_CHANGE": 8.0,
    },
    "bench.compare.learning": {"FEW": 4, "ASSUMED_SD": 0.05, "RESOLUTION": {"accuracy": 1.0, "loss": 0.0}},
    "bench.compare.matching": {"NEAR": 3},
    "bench.compare.metrics": {"PHASE_LEVEL": 0.05},
    "bench.compare.noninferiority": {"MARGIN": 0.02, "ASSUMED_SD": 0.05, "POWER": 0.8, "MOST_SEEDS": 100},
    "bench.compare.operations": {"LEAST_SHARE": 0.01},
    "bench.compare.reading": {"A_CALL": 500},
    "bench.compare.thresholds": {"WORSE_SHARE": 0.8, "BETTER_SHARE": 0.2, "FIRST_LOOK": 0.8},
    "bench.compare.trial_verdicts": {"LARGEST_PHASES": 3},
    "bench.compare.two_trials": {"CONFIDENCE": 0.95},
    "bench.plan.batches": {"MOST_IMAGES": 1024, "MEMORY_SHARE": 0.8},
    "bench.plan.decide": {"MOST_CHANGES": 3},
    "bench.plan.needs": {
        "_COPIES": {"SGD": 3, "Nesterov": 3, "RMSprop": 3, "Adagrad": 3},
        **{"RUNTIME_BYTES": 5e8, "_MOST_COPIES": 4, "_FITTING_COPIES": 4, "_FLOAT": 4},
    },
    "bench.plan.predict": {
        "_TRACING_S_PER_LAYER": {"transfer": 0.03, "features": 0.03, "scratch": 0.1, "finetune": 0.1},
        **{"LAST": 5, "_BCCD_HELD_OUT": {"validation": 50, "test": 50}},
    },
    "bench.records.accuracy_time": {"SHARES": (0.8, 0.9, 0.95)},
    "bench.records.contention": {
        **{"CALM": 0.2, "MORE_WAITING": 0.15, "LESS_WORK": 0.85, "FEWEST": 8, "IDLE": 0.2, "APART_S": 0.9},
    },
    "bench.records.disturbance": {
        **{"SHORTEST_S": 1.0, "FOREIGN_SHARE": 0.05, "FOREIGN_CORES": 0.25, "SATURATED": 0.9},
        **{"CONTENDED_SHARE": 0.1, "STEAL_SHARE": 0.02, "QUOTA_SHARE": 0.02, "THROTTLED_SHARE": 0.01},
        **{"REFERENCE_DROP": 0.2, "CLOCK_DROP": 0.05},
    },
    "bench.records.fold": {"LOG_LINES": 12},
    "bench.records.growth": {"WARM_UP": 1 / 3, "SECTIONS": 7, "WANDERING": 1.2, "LEAST": 14},
    "bench.records.overhead": {"CONFIDENCE": 0.95},
    "bench.records.steady": {
        **{"TOLERANCE": 0.05, "LEAST": 6, "GROUPS": 30, "BATCHES": 6, "MOST_MEMORY": 0.95},
        **{"LEAST_DEGREES": 3.0, "JUDGED": 20, "TENTHS": 10, "CLEAR": 4.0},
    },
    "bench.records.summary": {
        "LEAST_S": 2.0,
        "OF_ALL_GPUS": (
            *("gpu_utilization", "sm_activity", "sm_occupancy", "tensor_activity", "fp32_activity"),
            *("fp16_activity", "dram_activity"),
        ),
        "ASKED_FOR": ("gpu_utilization", "tensor_activity", "fp32_activity"),
        "AVERAGED": ("gpu_utilization", "power_w"),
    },
    "bench.records.utilization": {
        "_STATES": {
            **{"RMSprop": 1, "Adagrad": 1, "Adadelta": 2, "Adam": 2, "AdamW": 2, "Nadam": 2, "Adamax": 2},
        },
        "_NUMBER_BYTES": 4,
    },
    "bench.regress.pairs": {"FORMAT": 1},
    "bench.regress.planning": {
        **{"NOISE_PAIRS": 8, "FIRST_PAIRS": 1, "PRIOR": 4.0, "MOST": 200, "CAUTION": 0.2, "CPU_SHARE": 0.85},
    },
    "bench.regress.schedule": {"NOISE_SHARE": 1 / 6, "STEP": 2, "MOST_FAILURES": 1},
    "bench.regress.sides": {"PROBE_S": 300, "DIGITS": 16},
    "bench.regress.stopping": {"SUSPECTED": 1.1, "GROWTH": 1.5},
    "bench.runner.scheduler": {"LINGER_S": 10.0, "NEIGHBORS_S": 10.0},
    "bench.telemetry.host": {
        "LEAST_S": 0.5,
        "FAST": ("cpu_percent", "rss_bytes", "machine_cpu", "cpu_pressure", "steal"),
        "SLOW": ("run_queue_wait", "foreign_cpu", "cotenant_cpu"),
        "FAST_COUNTERS": ("cpu_s", "machine_busy_s", "slot_busy_s", "steal_s", "pressure_s"),
        "SLOW_COUNTERS": ("run_queue_wait_s", "cotenant_s", "foreign_s"),
    },
    "bench.telemetry.process": {"PATIENCE_S": 2.0},
    "bench.telemetry.sampler": {"VERSION": 1, "SLOW_S": 1.0},
    "bench.telemetry.trace": {"DIGITS": 6},
    "bench.tracking.points": {"WINDOWS": 300, "SHORTEST_WINDOW_S": 1.0},
    "bench.tracking.process": {"AT_ONCE": 32, "PATIENCE_S": 60.0, "_CHANCES": 3},
    "bench.tracking.projection": {"ITEMS_A_CALL": 1000, "PARAMS_A_CALL": 100, "FEW": 20},
    "bench.tracking.server": {"_PATIENCE_S": 120.0, "_GRACE_S": 10.0},
    "bench.tracking.store": {"CONNECT_S": 5, "_PORTS": {"http": 80, "https": 443}},
    "bench.tracking.tags_and_params": {
        **{"LONGEST_TAG": 5000, "LONGEST_PARAM": 6000, "LONGEST_KEY": 250, "LONGEST_DIGEST": 36},
    },
    "bench.trials.limits": {
        "_BYTES": {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12},
        "_UNITS": {"ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86_400},
    },
    "bench.trials.readable": {"LONGEST": 80, "IMAGE_SIZE": 224},
    "bench.trials.record": {"FORMAT": 1},
    "bench.worker.calibrate": {
        "_SIZES": {"cpu": (1024, 2048, 4096), "gpu": (4096, 8192, 16_384)},
        **{"CHAIN": 4, "_BYTES": {"cpu": 268_435_456, "gpu": 1_073_741_824}},
    },
    "bench.worker.environment": {"_LONGEST_VALUE": 500},
    "bench.worker.turns": {
        "TURN_S": 1.0,
        "SHORT_TURN_S": {"features": 0.25, "train": 0.25, "evaluate": 0.25, "latency": 0.1},
    },
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
