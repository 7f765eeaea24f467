"""A node that does not see the driver's folders: images, weights and features go there, once."""

import contextlib
import json
import shutil
from pathlib import Path

import pytest
from equipment.ray_cluster import running

from bench.journal.results import SuiteResults
from wbc.data.manifest import Manifest
from wbc.data.synthetic import SyntheticSettings, generate
from wbc.networks.weights import DRAWN_CELLS

SUITE = """
[suite]
name = "sent"
seeds = [0, 1]
[data]
path = "{driver}/images"
image_size = 32
[[matrix]]
mode = "features"
backbone = "LeNet5"
classifier = "KNN"
weights = "{driver}/LeNet5.weights.h5"
[cache]
features = true
[telemetry]
enabled = false
reference_work = false
latency = false
"""


def test_a_node_with_a_root_of_its_own_gets_images_and_weights_once(start, tmp_path: Path):
    driver = tmp_path / "driver"
    images = driver / "images"
    images.mkdir(parents=True)
    generate(images, SyntheticSettings(6, 2, 4, image_size=32))
    shutil.copy(DRAWN_CELLS / "LeNet5.weights.h5", driver)
    (driver / "sent.toml").write_text(SUITE.format(driver=driver))
    results = SuiteResults(driver / "results", "sent")
    with running(tmp_path) as cluster, contextlib.ExitStack() as stack:
        try:
            stack.enter_context(cluster.apart(driver))
        except PermissionError as error:
            pytest.skip(str(error))
        assert start(cluster, driver / "sent.toml", results.results).wait(600) == 0
    told = []
    for attempt in results.all_attempts():
        assert attempt.record().done and not attempt.record().phases.features.not_shared
        lines = map(json.loads, attempt.runner_events.read_text().splitlines())
        told += [(line["t"], line["bytes"]) for line in lines if line["event"] == "received"]
    sent = [number for _, number in sorted(told)]
    (made,) = results.results.glob("cache/data/*/manifest.json")
    content = {image.sha256: images / image.file for image in Manifest.read_file(made).images}
    files = [*content.values(), driver / "LeNet5.weights.h5", made]
    assert sent == [sum(path.stat().st_size for path in files), 0]
    node = cluster.folder / "apart"
    assert len(list(node.glob("features/*/entry.json"))) == 1 and not list(node.glob("attempts/*"))
    print(f"\n{sent[0]:,} bytes went to the node for its first trial, {sent[1]} for its second")
